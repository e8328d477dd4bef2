"""Boxes are found by name and shape, brought to yxyx, taken back to the original image, and decoded from targets."""

import numpy as np
import pytest
import tensorflow as tf
from assay.conformance.harness.pipelines.box_targets import decoded_targets
from assay.conformance.harness.pipelines.boxes import (
    as_yxyx,
    find_image_info,
    find_sizes,
    is_boxes,
    is_image,
    rows_in_use,
    to_original,
)

BOX = [2.0, 3.0, 7.0, 11.0]  # ymin, xmin, ymax, xmax


@pytest.mark.parametrize(
    ("box_format", "edges"),
    [
        ("yxyx", BOX),
        ("xyxy", [3.0, 2.0, 11.0, 7.0]),
        ("xywh", [3.0, 2.0, 8.0, 5.0]),
        ("cxcywh", [7.0, 4.5, 8.0, 5.0]),
    ],
)
def test_formats_lead_to_yxyx(box_format, edges):
    np.testing.assert_allclose(as_yxyx(np.array([edges]), box_format), [BOX])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("labels/boxes", True),
        ("labels/groundtruths/boxes", True),
        ("features/gt_bbox", True),
        ("labels/anchor_boxes", False),
        ("labels/box_targets", False),
        ("labels/box_weights", False),
    ],
)
def test_boxes_are_known_by_name(name, expected):
    assert is_boxes(name, tf.zeros([2, 5, 4])) is expected
    assert not is_boxes(name, tf.zeros([2, 5, 36]))


def test_images_are_known_by_shape_or_name():
    assert is_image("features", tf.zeros([2, 8, 8, 3]))
    assert is_image("features/image", tf.zeros([2, 8, 8]))
    assert not is_image("features/tokens", tf.zeros([2, 8], tf.int32))
    assert not is_image("labels/mask", tf.zeros([2, 8, 8, 1]))


def test_rows_of_equal_numbers_are_padding():
    boxes = tf.constant([[BOX, [-1.0] * 4, [0.0] * 4]])

    assert rows_in_use(boxes).tolist() == [[True, False, False]]


def test_crop_and_scale_are_undone():
    info = np.array([[50.0, 80.0], [32.0, 32.0], [0.5, 0.25], [4.0, 6.0]])
    original = np.array([[10.0, 40.0, 30.0, 60.0]])
    network = original * [0.5, 0.25, 0.5, 0.25] - [4.0, 6.0, 4.0, 6.0]

    np.testing.assert_allclose(to_original(network, info), original)


def test_sizes_beside_boxes_come_before_those_of_images():
    leaves = {
        "features": tf.zeros([1, 16, 16, 3]),
        "labels/boxes": tf.zeros([1, 2, 4]),
        "labels/groundtruths/boxes": tf.zeros([1, 2, 4]),
        "labels/groundtruths/height": tf.constant([30]),
        "labels/groundtruths/width": tf.constant([20]),
        "labels/image_info": tf.ones([1, 4, 2]),
    }

    (beside,) = find_sizes(leaves, "labels/groundtruths/boxes")
    others = find_sizes(leaves, "labels/boxes")

    assert beside.tolist() == [[30.0, 20.0]]
    assert [size.tolist() for size in others] == [[[16.0, 16.0]], [[1.0, 1.0]], [[1.0, 1.0]]]
    assert find_image_info(leaves).shape == (1, 4, 2)


def test_targets_of_positive_anchors_are_decoded():
    anchors = np.array([[0.0, 0.0, 4.0, 8.0], [4.0, 4.0, 8.0, 8.0]])
    truth = np.array([1.0, 2.0, 3.0, 10.0])
    height, width = 4.0, 8.0
    targets = [(2.0 - 2.0) / height, (6.0 - 4.0) / width, np.log(2.0 / height), np.log(8.0 / width)]
    leaves = {
        "labels/box_targets/3": tf.constant([[[targets]]], tf.float32),
        "labels/box_targets/4": tf.zeros([1, 1, 1, 4]),
        "labels/anchor_boxes/3": tf.constant([[[anchors[0]]]], tf.float32),
        "labels/anchor_boxes/4": tf.constant([[[anchors[1]]]], tf.float32),
        "labels/box_weights": tf.constant([[1.0, 0.0]]),
    }

    (boxes,) = decoded_targets(leaves)

    np.testing.assert_allclose(boxes, [truth], atol=1e-5)
    assert decoded_targets({**leaves, "labels/box_weights": tf.zeros([1, 3])}) is None
