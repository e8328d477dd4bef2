"""Masks against pycocotools: of whole images, and small ones for a box each."""

import numpy as np
import pytest
import tensorflow as tf
from assay.keras_metrics import InstanceMetrics
from assay.keras_metrics._mask_overlap import BAND, BoxMasks, fit_to_canvas
from hypothesis import given, settings
from hypothesis import strategies as st
from instance_scenes import scalars
from mask_scenes import SIZE, batch, in_coco_format, painted, random_images

from packages.python_metrics.tests.coco_scenes import answer, numbers

SEEDS = st.integers(0, 2**32 - 1)


def masks_metric(**options):
    given_options = {"max_detections": 500, "need_rescale_bboxes": False, **options}
    return InstanceMetrics(4, use_masks=True, **given_options)


@settings(max_examples=12)
@given(seed=SEEDS)
def test_masks_of_images_equal_pycocotools(seed):
    images = random_images(seed)
    metric = masks_metric(groundtruth_mask_format="image", detection_mask_format="image")

    metric.update_state(*batch(images))

    wanted = numbers(answer(*in_coco_format(images), "segm"))
    assert scalars(metric) == pytest.approx({f"mask_{name}": value for name, value in wanted.items()}, abs=1e-6)


@settings(max_examples=40)
@given(
    seed=SEEDS,
    shape=st.sampled_from([(28, 28), (14, 28), (3, 3), (1, 1)]),
    box=st.tuples(*[st.floats(-30, 60, width=32)] * 2, *[st.sampled_from([0.5, 3.0, 17.3, 28.0, 60.0, 150.0])] * 2),
)
def test_pasted_masks_are_those_above_one_half(seed, shape, box):
    values = np.random.default_rng(seed).random(shape, np.float32)
    left, top, width, height = box
    masks = BoxMasks(values[None, None], tf.constant([[[top, left, top + height, left + width]]], tf.float32))

    masks.prepare(48)
    bands = [masks.band(start, 48).numpy()[0, 0] for start in (0, BAND)]

    wanted = painted(values, (top, left, top + height, left + width), 2 * BAND, 48)
    clear = np.abs(wanted - 0.5) > 1e-3  # float32 may take another side for what lies on the threshold
    np.testing.assert_array_equal(np.concatenate(bands)[clear], (wanted > 0.5)[clear])


def blobs(random, count, cells=14):
    """Round masks with soft edges, and boxes whose sides are no whole numbers."""
    place = (np.arange(cells) + 0.5) / cells * 2 - 1
    radius = random.uniform(0.7, 1.2, (count, 1, 1))
    values = 1 / (1 + np.exp(((place[:, None] ** 2 + place**2) / radius**2 - 1) * 8))
    corner, size = random.uniform(0, 15, (count, 2)), random.uniform(8, 32, (count, 2))
    return values.astype(np.float32), np.concatenate([corner, corner + size], axis=1).astype(np.float32)


def set_pixels(values, boxes):
    return np.array([painted(mask, box, *SIZE) > 0.5 for mask, box in zip(values, boxes, strict=True)])


@settings(max_examples=8)
@given(seed=SEEDS, groundtruth=st.sampled_from(["box", "image"]))
def test_masks_for_boxes_equal_pycocotools_on_pasted_ones(seed, groundtruth):
    random = np.random.default_rng(seed)
    values, boxes = blobs(random, 4)
    found_values, found_boxes = blobs(random, 6)
    found_boxes[:3], found_values[:3] = boxes[:3] + np.float32([0, 2.5, 0, 2.5]), values[:3]
    image = {
        "id": 1,
        "masks": set_pixels(values, boxes),
        "classes": np.array([1, 1, 2, 2]),
        "crowd": np.array([0, 0, 0, 1], bool),
        "found_masks": set_pixels(found_values, found_boxes),
        "found_classes": np.array([1, 1, 2, 2, 1, 2]),
        "scores": np.array([0.9, 0.8, 0.7, 0.7, 0.4, 0.3]),
    }
    metric = masks_metric(groundtruth_mask_format=groundtruth, mask_output_boundary=SIZE)

    metric.update_state(
        {
            "boxes": boxes[None],
            "classes": image["classes"][None],
            "is_crowds": image["crowd"][None],
            "masks": (values if groundtruth == "box" else image["masks"])[None],
        },
        {
            "detection_boxes": found_boxes[None],
            "detection_classes": image["found_classes"][None],
            "detection_scores": image["scores"][None],
            "detection_masks": found_values[None],
        },
    )

    wanted = numbers(answer(*in_coco_format([image]), "segm"))
    assert scalars(metric) == pytest.approx({f"mask_{name}": value for name, value in wanted.items()}, abs=1e-6)


def test_masks_belong_to_the_outer_boxes_where_there_are_some():
    values, box = np.ones((1, 1, 8, 8), np.float32), np.float32([[[5, 5, 30, 30]]])
    metric = masks_metric()

    metric.update_state(
        {"boxes": box, "classes": [[1]], "masks": values},
        {
            "detection_boxes": box + 100,
            "detection_outer_boxes": box,
            "detection_classes": [[1]],
            "detection_scores": [[0.5]],
            "detection_masks": values,
        },
    )

    assert scalars(metric)["mask_AP"] == 1.0


def test_boxes_that_reach_over_the_canvas_are_moved_by_whole_pixels_and_shrunk():
    boxes = tf.constant(
        [
            [[10.5, 20.0, 30.5, 40.0], [0.0, 0, 0, 0]],
            [[90.5, 20, 110.5, 40], [95, 30, 100, 120]],
            [[110.0, 20, 310, 60], [300, 40, 320, 100]],
        ]
    )

    moved, scale = fit_to_canvas(boxes, tf.ones([3, 2], tf.bool), height=105, width=100)

    np.testing.assert_array_equal(scale, [1, 1, 0.5])
    np.testing.assert_array_equal(moved[0], boxes[0])
    np.testing.assert_array_equal(moved[1], [[0.5, 0, 20.5, 20], [5, 10, 10, 100]])
    np.testing.assert_array_equal(moved[2], [[0, 0, 100, 20], [95, 10, 105, 40]])


def test_shrunk_masks_keep_their_areas_and_their_overlap():
    values = np.ones((1, 1, 8, 8), np.float32)
    box = np.float32([[[1000, 2000, 1200, 2200]]])
    metric = masks_metric(mask_output_boundary=(64, 64), iou_thresholds=[0.5])
    found = {"detection_classes": [[1]], "detection_scores": [[0.5]], "detection_masks": values}

    metric.update_state(
        {"boxes": box, "classes": [[1]], "masks": values}, {**found, "detection_boxes": box + np.float32(40)}
    )

    results = scalars(metric)
    overlap = 160**2 / (2 * 200**2 - 160**2)
    assert overlap < 0.5
    assert results["mask_AP"] == 0.0
    assert (results["mask_APs"], results["mask_APm"], results["mask_APl"]) == (-1.0, -1.0, 0.0)


def test_sizes_of_image_masks_that_differ_are_refused():
    metric = masks_metric(groundtruth_mask_format="image", detection_mask_format="image")

    with pytest.raises(ValueError, match=r"Masks of images differ in size: \(5, 4\).*\(4, 4\)"):
        metric.update_state(
            {"classes": [[1]], "masks": np.ones((1, 1, 4, 4))},
            {"detection_classes": [[1]], "detection_scores": [[1.0]], "detection_masks": np.ones((1, 1, 5, 4))},
        )


def test_compiled_updates_equal_eager():
    truth, found = tf.nest.map_structure(tf.constant, batch(random_images(3)))
    options = {"groundtruth_mask_format": "image", "detection_mask_format": "image"}
    eager, compiled = masks_metric(**options), masks_metric(**options)

    eager.update_state(truth, found)
    tf.function(compiled.update_state, jit_compile=True)(truth, found)

    assert scalars(compiled) == scalars(eager)
