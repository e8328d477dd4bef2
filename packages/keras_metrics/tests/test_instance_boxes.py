"""Boxes against pycocotools, on scenes full of ties, crowds and edges."""

import numpy as np
import pytest
import tensorflow as tf
from assay.keras_metrics import InstanceMetrics
from assay.keras_metrics._average_precision import ABOVE_THEIR_HUNDREDTH
from hypothesis import given, settings
from hypothesis import strategies as st
from instance_scenes import expected, fed, metric_of, scalars, without_ids

from packages.python_metrics.tests.coco_scenes import answer, batch, dataset, found, random_images

SEEDS = st.integers(0, 2**32 - 1)
SHAPES = [(4, 3, 5, 8), (6, 1, 3, 20), (2, 2, 9, 30), (5, 6, 6, 8)]


@settings(max_examples=30)
@given(
    seed=SEEDS,
    shape=st.sampled_from(SHAPES),
    crowded=st.sampled_from([0.0, 0.2, 1.0]),
    clustered=st.booleans(),
)
def test_the_numbers_equal_pycocotools(seed, shape, crowded, clustered):
    images = random_images(seed, *shape, crowded=crowded, own_areas=True, clustered=clustered)

    assert scalars(fed(images)) == pytest.approx(expected(images), abs=1e-6)


@settings(max_examples=8)
@given(seed=SEEDS, most=st.sampled_from([1, 2, 5, 10]))
def test_limits_below_the_number_of_detections_equal_pycocotools(seed, most):
    images = random_images(seed, 3, 1, 5, 30)
    limits = (1, min(10, most), most)

    results = scalars(fed(images, max_num_eval_detections=most))

    renamed = {("ARmax1", "ARmax10", f"ARmax{most}")[n]: f"ARmax{shown}" for n, shown in enumerate((1, 10, 100))}
    wanted = expected(images, limits)
    assert results[f"ARmax{most}"] == pytest.approx(wanted["ARmax100"], abs=1e-6)
    assert results["AP"] == pytest.approx(wanted["AP"], abs=1e-6)
    assert set(results) == {name for name in wanted if not name.startswith("ARmax")} | set(renamed)


@settings(max_examples=6)
@given(seed=SEEDS)
def test_precision_of_each_class_and_threshold_equals_pycocotools(seed):
    images = random_images(seed, own_areas=True)
    answered = answer(dataset(images), found(images))
    if answered is None:
        return
    categories = [one["id"] for one in dataset(images)["categories"]]
    thresholds = [0.5, 0.75]

    results = fed(images, per_class_metrics=True, iou_thresholds=thresholds).result()

    precision = answered["precision"][[0, 5], :, :, 0, 2]
    alone = results["AP_per_class"].numpy()
    np.testing.assert_allclose(alone[categories], precision.mean(axis=(0, 1)), atol=1e-6)
    np.testing.assert_allclose(results["AP75_per_class"].numpy()[categories], precision[1].mean(axis=0), atol=1e-6)
    assert (np.delete(alone, categories) == -1).all()


def test_many_classes_and_images_equal_pycocotools():
    images = random_images(5, images=40, classes=50, most_objects=12, most_found=60)

    metric = fed(images, size=8, num_classes=60, max_detections=3000)

    assert scalars(metric) == pytest.approx(expected(images), abs=1e-6)


@settings(max_examples=5)
@given(seed=SEEDS)
def test_scores_in_low_precision_are_many_ties_and_equal_pycocotools(seed):
    images = random_images(seed, 5)
    metric = metric_of()
    for image in images:
        truth, detections = batch([image])
        scores = tf.cast(detections["detection_scores"], tf.bfloat16)
        metric.update_state(truth, {**detections, "detection_scores": scores})

    assert scalars(metric) == pytest.approx(expected(images), abs=1e-6)


def test_recall_at_exactly_a_hundredth_is_compared_as_pycocotools_does():
    edges = np.linspace(0, 1, 101)

    assert [k / 100 < edge for k, edge in enumerate(edges)] == list(ABOVE_THEIR_HUNDREDTH)
    assert any(ABOVE_THEIR_HUNDREDTH)


@pytest.mark.parametrize("right", [35, 36, 57])
def test_a_hundred_objects_equal_pycocotools_at_every_recall(right):
    boxes = np.arange(100.0)[:, None] * [0, 20, 0, 20] + [0, 0, 16, 16]
    image = {
        "id": 1,
        "boxes": boxes,
        "classes": np.ones(100, int),
        "crowd": np.zeros(100, bool),
        "areas": np.full(100, 256.0),
        "found_boxes": boxes[: right + 10] + np.where(np.arange(right + 10) < right, 0, 300)[:, None],
        "found_classes": np.ones(right + 10, int),
        "scores": np.linspace(0.9, 0.1, right + 10),
    }

    assert scalars(fed([image])) == pytest.approx(expected([image]), abs=1e-6)


def oracle_area(images, threshold=0.5):
    """VOC's area under the curve of one class without crowds, in the order of scores, image and slot."""
    rows, total = [], 0
    for image in images:
        total += len(image["boxes"])
        free = set(range(len(image["boxes"])))
        for slot in np.argsort(-image["scores"], kind="stable"):
            box, best, chosen = image["found_boxes"][slot], threshold, None
            for index in sorted(free):
                other = image["boxes"][index]
                sides = np.minimum(box[2:], other[2:]) - np.maximum(box[:2], other[:2])
                shared = sides.prod() if (sides > 0).all() else 0.0
                union = (box[2:] - box[:2]).prod() + (other[2:] - other[:2]).prod() - shared
                if shared and shared / union >= best:
                    best, chosen = shared / union, index
            free -= {chosen}
            rows.append((-image["scores"][slot], image["id"], len(rows), chosen is not None))
    if not total:
        return -1.0
    hits = np.array([hit for *_, hit in sorted(rows)], float)
    found_so_far = np.cumsum(hits)
    precision = found_so_far / np.arange(1, len(hits) + 1)
    best = np.maximum.accumulate(precision[::-1])[::-1]
    return float((hits * best).sum() / total)


@settings(max_examples=10)
@given(seed=SEEDS)
def test_voc_2010_is_the_area_under_the_interpolated_curve(seed):
    images = random_images(seed, 6, 1, 5, 20, crowded=0.0)
    images = [{**image, "found_classes": np.ones_like(image["found_classes"])} for image in images]

    results = scalars(fed(images, average_precision_algorithms={"AP": "coco", "area": "voc2010"}))

    assert results["area50"] == pytest.approx(oracle_area(images), abs=1e-6)
    assert results["area75"] == pytest.approx(oracle_area(images, 0.75), abs=1e-6)
    assert results["AP"] == pytest.approx(expected(images)["AP"], abs=1e-6)


def one_image(**fields):
    """An object in the corner, and detections of it with falling scores."""
    count = fields.pop("count", 1)
    box = [0.0, 0.0, 40.0, 40.0]
    truth = {"boxes": [[box]], "classes": [[1]], **{name: [[value]] for name, value in fields.items()}}
    detections = {
        "detection_boxes": [[box] * count],
        "detection_classes": [[1] * count],
        "detection_scores": [np.linspace(0.9, 0.5, count)],
    }
    return truth, detections


@pytest.mark.parametrize("flag", ["is_difficult", "is_crowds"])
def test_what_is_optional_counts_neither_way_however_often_it_is_found(flag):
    metric = metric_of()

    metric.update_state(*one_image(**{flag: 1}, count=3))
    only_optional = scalars(metric)["AP"]
    metric.update_state(*one_image())

    assert only_optional == -1.0
    assert scalars(metric)["AP"] == 1.0


def test_second_detection_of_an_object_is_wrong():
    metric = metric_of(confidence_thresholds=[0.0, 0.7])

    metric.update_state(*one_image(count=2))

    results = metric.result()
    assert results["precisions"].shape == (2, 10, 8)
    np.testing.assert_allclose(results["precisions"][:, 0, 1], [0.5, 1.0])
    np.testing.assert_allclose(results["recalls"][:, 0, 1], [1.0, 1.0])
    assert results["recalls"][0, 0, 2] == -1


def test_boxes_are_brought_to_the_original_image():
    truth, detections = one_image()
    info = np.float32([[[80, 80], [40, 160], [0.5, 2.0], [3, 5]]])
    scaled = np.float32([[[0 * 0.5 - 3, 0 * 2 - 5, 40 * 0.5 - 3, 40 * 2 - 5]]])

    for side in (0, 1):
        sides = [truth, {**detections, "detection_boxes": scaled}]
        sides[side] = {**sides[side], "image_info": info}
        metric = InstanceMetrics(8, max_detections=100)
        metric.update_state(*sides)
        assert scalars(metric)["AP"] == 1.0


def test_class_zero_is_a_class_when_there_is_no_background():
    truth, detections = one_image()
    metric, other = metric_of(2, background_class_id=None), metric_of(2)
    for one in (metric, other):
        one.update_state({**truth, "classes": [[0]]}, {**detections, "detection_classes": [[0]]})

    assert scalars(metric)["AP"] == 1.0
    assert scalars(other)["AP"] == -1.0


def test_slots_beyond_the_count_are_not_looked_at():
    truth, detections = one_image(count=3)
    metric = metric_of(confidence_thresholds=[0.0])

    metric.update_state(truth, {**detections, "num_detections": [1]})

    assert metric.result()["precisions"][0, 0, 1] == 1.0


@pytest.mark.parametrize("empty", ["y_true", "y_pred", "both"])
def test_no_slots_at_all(empty):
    truth, detections = one_image()
    nothing = {"boxes": np.zeros((1, 0, 4)), "classes": np.zeros((1, 0), int)}
    metric = metric_of()

    metric.update_state(
        truth if empty == "y_pred" else nothing,
        detections
        if empty == "y_true"
        else {**{f"detection_{name}": field for name, field in nothing.items()}, "detection_scores": np.zeros((1, 0))},
    )

    assert scalars(metric)["AP"] == (0.0 if empty == "y_pred" else -1.0)


def test_nan_scores_come_last_and_nan_boxes_find_nothing():
    truth, detections = one_image(count=2)
    metric = metric_of(iou_thresholds=[0.5])
    metric.update_state(truth, {**detections, "detection_scores": [[np.nan, 0.1]]})
    last = scalars(metric)
    metric.reset_state()
    metric.update_state(truth, {**detections, "detection_boxes": [[[np.nan] * 4, [0.0, 0, 40, 40]]]})

    assert last["AP"] == 1.0
    assert scalars(metric)["AP"] == 0.5


def test_no_update_is_undefined():
    assert set(scalars(metric_of()).values()) == {-1.0}


def test_without_ids_equal_scores_are_one_step():
    truth, detections = one_image()
    wrong = {**detections, "detection_boxes": [[[200.0, 200, 240, 240]]]}
    for order in ((detections, wrong), (wrong, detections)):
        metric = metric_of()
        for one in order:
            metric.update_state({**truth}, one)
        # One of two is right, at a recall of a half: precision 1/2 up to there, 0 beyond.
        assert scalars(metric)["AP"] == pytest.approx(0.5 * 51 / 101, abs=1e-6)


@settings(max_examples=5)
@given(seed=SEEDS, order=st.permutations(range(6)))
def test_order_and_split_do_not_matter_without_ids(seed, order):
    images = random_images(seed, 6)
    first, second = metric_of(), metric_of()
    first.update_state(*without_ids(batch(images)))
    for index in order:
        second.update_state(*without_ids(batch([images[index]])))

    assert scalars(first) == scalars(second)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda t, p: ({"classes": t["classes"]}, p), r"`y_true` of 'm' lacks 'boxes'. Received: \['classes'\]"),
        (lambda t, p: (t, {**p, "detection_scores": [0.5]}), "'detection_scores' of `y_pred` of 'm' must have shape"),
        (lambda t, p: (t, {**p, "detection_scores": [[0.5, 0.4]]}), "while there are 1 slots in 1 images"),
        (lambda t, p: ({**t, "boxes": [[[0.0, 1.0]]]}, p), r"must have shape \[any, any, 4\]"),
        (lambda t, p: ({**t, "source_id": ["a"]}, p), "'source_id' must hold integers"),
        (lambda t, p: (t, {**p, "detection_classes": tf.ones([1, 1], tf.bfloat16)}), "came as bfloat16"),
        (lambda t, p: (t, [1]), "`y_pred` of 'm' must be a dict. Received: list"),
        (lambda t, p: ({k: np.repeat(v, 2, 0) for k, v in t.items()}, p), "differ in the number of images: 2 and 1"),
    ],
)
def test_what_is_wrong_with_a_batch_is_named(change, match):
    with pytest.raises(ValueError, match=match):
        metric_of(name="m").update_state(*change(*one_image()))


def test_image_info_is_asked_for_by_name():
    with pytest.raises(ValueError, match="lacks 'image_info'"):
        InstanceMetrics(8, max_detections=10).update_state(*one_image())


@pytest.mark.parametrize(
    "options",
    [
        {"num_classes": 0},
        {"iou_thresholds": []},
        {"iou_thresholds": [1.5]},
        {"confidence_thresholds": [float("nan")]},
        {"average_precision_algorithms": {"AP": "voc2007"}},
        {"groundtruth_mask_format": "polygon"},
        {"detection_mask_format": "polygon"},
        {"mask_output_boundary": [0, 5]},
        {"max_num_eval_detections": 2**17},
        {"max_detections": 0},
    ],
)
def test_options_out_of_range_are_refused(options):
    with pytest.raises(ValueError, match=f"`{next(iter(options))}` must be"):
        metric_of(**options)
