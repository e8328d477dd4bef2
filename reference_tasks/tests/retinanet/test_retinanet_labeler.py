"""Targets have Model Garden's form, and say of each anchor what its object is."""

import numpy as np
import pytest
import tensorflow as tf
from assay.reference_tasks.retinanet.anchors import AnchorGenerator
from assay.reference_tasks.retinanet.labeler import NO_CLASS, AnchorLabeler
from assay.reference_tasks.retinanet.matcher import Matcher
from assay.reference_tasks.vision.boxes import BoxCoder, pairwise_iou
from hypothesis import given, settings
from hypothesis import strategies as st

ANCHORS = AnchorGenerator(3, 4, num_scales=2, aspect_ratios=(0.5, 1.0), anchor_size=2.0, image_size=(32, 48))
COUNT = len(ANCHORS.flat)


def overlaps(boxes, others):
    """Intersections of two sets of boxes, in double precision."""
    a, b = boxes[:, None].astype(float), others[None].astype(float)
    sides = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    return np.prod(np.clip(sides, 0, None), axis=-1)


def sizes(boxes):
    return np.prod(boxes[:, 2:].astype(float) - boxes[:, :2], axis=-1)


def some_boxes(count, seed):
    """Boxes of sides that are no round numbers, so that no overlap is exactly at a threshold."""
    random = np.random.default_rng(seed)
    corners = random.uniform(0, 28, [count, 2])
    return np.concatenate([corners, corners + random.uniform(4, 24, [count, 2])], axis=1).astype(np.float32)


def flat(by_level, depth=None):
    parts = [np.asarray(part).reshape([-1] if depth is None else [-1, depth]) for part in by_level.values()]
    return np.concatenate(parts)


CODER = BoxCoder((10.0, 10.0, 5.0, 5.0))
LABELERS = {thresholds: AnchorLabeler(ANCHORS, Matcher(*thresholds), CODER) for thresholds in ((0.5, 0.5), (0.5, 0.3))}
OBJECTS = (
    tf.TensorSpec([None, 4]),
    tf.TensorSpec([None], tf.int64),
    tf.TensorSpec([None, 4]),
    tf.TensorSpec([None, 2]),
)


def traced(labeler):
    return tf.function(
        lambda boxes, classes, crowds, depth: labeler.label(boxes, classes, crowds=crowds, attributes={"depth": depth}),
        input_signature=OBJECTS,
    )


LABEL = {thresholds: traced(labeler) for thresholds, labeler in LABELERS.items()}


@settings(max_examples=30)
@given(st.integers(0, 4), st.integers(0, 2), st.integers(0, 2**32 - 1), st.sampled_from(list(LABELERS)))
def test_targets_are_those_of_the_objects(objects, crowds, seed, thresholds):
    boxes, regions = some_boxes(objects, seed), some_boxes(crowds, seed + 1)
    classes = np.arange(1, objects + 1)
    depth = np.arange(objects * 2, dtype=np.float32).reshape(objects, 2)
    targets = LABEL[thresholds](boxes, classes, regions, depth)

    # Of equal overlaps rounding decides, so they come from the operation itself, which has its own test.
    iou = pairwise_iou(boxes, ANCHORS.flat)
    matches = LABELERS[thresholds].matcher.match(iou).numpy()
    positive = matches >= 0
    in_crowd = (overlaps(regions, ANCHORS.flat) / sizes(ANCHORS.flat) >= 0.5).any(axis=0)
    np.testing.assert_array_equal(flat(targets["cls_targets"])[positive], classes[matches[positive]])
    assert (flat(targets["cls_targets"])[~positive] == NO_CLASS).all()
    np.testing.assert_array_equal(targets["box_weights"], positive.astype(np.float32))
    ignored = ~positive & ((matches == -2) | in_crowd)
    np.testing.assert_array_equal(targets["cls_weights"], 1.0 - ignored)
    codes = flat(targets["box_targets"], 4)
    decoded = CODER.decode(codes[positive], ANCHORS.flat[positive])
    np.testing.assert_allclose(decoded, boxes[matches[positive]], atol=1e-3)
    assert not codes[~positive].any()
    np.testing.assert_array_equal(flat(targets["attribute_targets"]["depth"], 2)[positive], depth[matches[positive]])


def test_targets_have_the_shapes_of_the_outputs():
    targets = AnchorLabeler(ANCHORS).label(tf.constant(some_boxes(2, 0)), tf.constant([1, 2]))

    shapes = {key: {level: tuple(x.shape) for level, x in targets[key].items()} for key in list(targets)[:3]}
    assert shapes == {
        "cls_targets": {"3": (4, 6, 4), "4": (2, 3, 4)},
        "box_targets": {"3": (4, 6, 16), "4": (2, 3, 16)},
        "anchor_boxes": {"3": (4, 6, 16), "4": (2, 3, 16)},
    }
    assert targets["cls_targets"]["3"].dtype == tf.int32
    assert targets["cls_weights"].shape == targets["box_weights"].shape == [COUNT]


def test_without_an_object_every_anchor_is_background_and_counts():
    targets = AnchorLabeler(ANCHORS).label(tf.zeros([0, 4]), tf.zeros([0], tf.int64))

    assert (flat(targets["cls_targets"]) == NO_CLASS).all()
    np.testing.assert_array_equal(targets["cls_weights"], np.ones(COUNT))
    np.testing.assert_array_equal(targets["box_weights"], np.zeros(COUNT))


@pytest.mark.parametrize(("coverage", "ignored"), [(0.5, True), (None, False)])
def test_anchors_in_a_crowd_are_ignored_unless_that_is_switched_off(coverage, ignored):
    targets = AnchorLabeler(ANCHORS, crowd_coverage=coverage).label(
        tf.zeros([0, 4]), tf.zeros([0], tf.int64), crowds=tf.constant([[0.0, 0.0, 32.0, 48.0]])
    )

    assert (targets["cls_weights"].numpy() == 0).any() == ignored


def test_an_anchor_that_stands_for_an_object_in_a_crowd_counts():
    box = tf.constant([[8.0, 8.0, 24.0, 24.0]])
    targets = AnchorLabeler(ANCHORS).label(box, tf.constant([3]), crowds=tf.constant([[0.0, 0.0, 32.0, 48.0]]))

    positive = targets["box_weights"].numpy() == 1
    assert positive.any()
    assert (targets["cls_weights"].numpy()[positive] == 1).all()
