"""Images and boxes are placed together, targets and groundtruth have Model Garden's form, and all repeats exactly."""

import numpy as np
import pytest
import tensorflow as tf
from assay.reference_tasks.retinanet.anchors import AnchorGenerator
from assay.reference_tasks.retinanet.config import DetectionDataConfig
from assay.reference_tasks.retinanet.inputs import Parser
from assay.reference_tasks.retinanet.labeler import AnchorLabeler
from assay.reference_tasks.vision.boxes import BoxCoder

SIZE = (32, 32, 3)
ANCHORS = AnchorGenerator(2, 3, num_scales=1, aspect_ratios=(1.0,), anchor_size=2.0, image_size=SIZE[:2])


def record(boxes=((0.25, 0.5, 0.75, 1.0),), classes=(3,), crowds=(False,), height=48, width=64, **changes):
    """A white rectangle for each object on black."""
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    image = np.zeros([height, width, 3], np.uint8)
    for y0, x0, y1, x1 in (boxes * [height, width, height, width]).round().astype(int):
        image[y0:y1, x0:x1] = 255
    values = {
        "source": "somewhere",
        "source_id": "12",
        "image": image,
        "height": np.int64(height),
        "width": np.int64(width),
        "groundtruth_boxes": boxes,
        "groundtruth_classes": np.array(classes, np.int64).reshape(-1),
        "groundtruth_is_crowd": np.array(crowds, bool).reshape(-1),
        "groundtruth_area": np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) * height * width,
    }
    return {key: tf.constant(value) for key, value in (values | changes).items() if not isinstance(value, dict)} | {
        key: value for key, value in changes.items() if isinstance(value, dict)
    }


def parser(attributes=(), **changes):
    options = {"is_training": True, "image_mean": (0.0,) * 3, "image_std": (1.0,) * 3, "max_num_instances": 3}
    return Parser(
        DetectionDataConfig(**(options | changes)),
        input_size=SIZE,
        labeler=AnchorLabeler(ANCHORS),
        attributes=attributes,
    )


def positive_boxes(labels):
    """The boxes that the targets of positive anchors stand for."""
    codes, anchors = (
        np.concatenate([np.asarray(x).reshape(-1, 4) for x in labels[key].values()])
        for key in ("box_targets", "anchor_boxes")
    )
    positive = labels["box_weights"].numpy() == 1
    return np.unique(np.round(BoxCoder().decode(codes[positive], anchors[positive]).numpy(), 2), axis=0)


def test_eval_fits_the_image_and_its_boxes_into_the_input():
    image, labels = parser().parse_eval(record())

    # 48x64 becomes 24x32, at the top left.
    assert image.shape == SIZE
    np.testing.assert_array_equal(labels["image_info"], [[48, 64], [32, 32], [0.5, 0.5], [0, 0]])
    np.testing.assert_allclose(positive_boxes(labels), [[6, 16, 18, 32]], atol=0.02)
    assert image.numpy()[7:17, 18:31].min() == 1.0
    assert not image.numpy()[24:].any()


def test_eval_groundtruth_is_padded_and_in_pixels_of_the_original_image():
    truth = parser().parse_eval(record([(0, 0, 0.5, 0.5), (0.5, 0.5, 1, 1)], (1, 2), (False, True)))[1]["groundtruths"]

    assert {key: value.numpy().tolist() for key, value in truth.items() if key != "image_info"} == {
        "source_id": 12,
        "height": 48,
        "width": 64,
        "num_detections": 2,
        "boxes": [[0, 0, 24, 32], [24, 32, 48, 64], [-1, -1, -1, -1]],
        "classes": [1, 2, -1],
        "areas": [768, 768, -1],
        "is_crowds": [0, 1, 0],
    }
    assert truth["source_id"].dtype == tf.int64


def test_objects_beyond_the_limit_are_cut_off():
    boxes = [(0, 0, 0.1 * n, 0.1 * n) for n in range(1, 6)]
    truth = parser().parse_eval(record(boxes, range(1, 6), [False] * 5))[1]["groundtruths"]

    assert int(truth["num_detections"]) == 3
    assert truth["classes"].numpy().tolist() == [1, 2, 3]


def test_an_id_that_is_no_number_gets_one():
    one, other = (
        int(parser().parse_eval(record(source_id=name))[1]["groundtruths"]["source_id"]) for name in ("a_1", "a_2")
    )

    assert one != other


def test_an_image_without_objects_is_background():
    image, labels = parser().parse_train(record((), (), ()), tf.constant([1, 2], tf.int64))

    assert not image.numpy().any()
    assert not labels["box_weights"].numpy().any()
    assert labels["cls_weights"].numpy().all()


def test_crowds_are_no_objects_and_their_anchors_are_ignored():
    whole = [(0.0, 0.0, 1.0, 1.0)]
    labels = parser().parse_train(record(whole, (1,), (True,)), tf.constant([1, 2], tf.int64))[1]

    assert not labels["box_weights"].numpy().any()
    assert (labels["cls_weights"].numpy() == 0).any()


@pytest.mark.parametrize("seed", range(4))
def test_boxes_go_with_the_pixels_when_training(seed):
    parse = parser(aug_rand_hflip=True, aug_scale_min=0.6, aug_scale_max=1.6)
    image, labels = parse.parse_train(record(), tf.constant([seed, 2], tf.int64))
    bright = image.numpy()[..., 0] > 0.5

    boxes = positive_boxes(labels)
    assert len(boxes) == int(bright.any())
    if bright.any():
        rows, columns = (np.flatnonzero(bright.any(axis=axis)) for axis in (1, 0))
        seen = [rows[0], columns[0], rows[-1] + 1, columns[-1] + 1]
        np.testing.assert_allclose(boxes[0], seen, atol=1.0)


def test_what_is_random_follows_from_the_seed():
    parse = parser(aug_rand_hflip=True, aug_scale_min=0.5, aug_scale_max=2.0)
    images = [parse.parse_train(record(), tf.constant([1, seed], tf.int64))[0].numpy() for seed in (5, 5, 6, 7, 8)]

    np.testing.assert_array_equal(images[0], images[1])
    assert not all(np.array_equal(images[0], image) for image in images[2:])


def test_attributes_go_with_their_objects():
    given = record(groundtruth_attributes={"depth": tf.constant([[7.0]])})
    labels = parser(attributes=["depth"]).parse_train(given, tf.constant([1, 2], tf.int64))[1]
    depth = np.concatenate([x.numpy().ravel() for x in labels["attribute_targets"]["depth"].values()])

    np.testing.assert_array_equal(depth, 7.0 * labels["box_weights"].numpy())


def test_images_have_the_dtype_that_was_asked_for():
    assert parser(dtype="bfloat16").parse_eval(record())[0].dtype == tf.bfloat16
