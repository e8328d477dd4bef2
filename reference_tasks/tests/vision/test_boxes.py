"""Areas, overlaps, places and codes of boxes, against NumPy in double precision."""

import math

import numpy as np
import pytest
import tensorflow as tf
from assay.reference_tasks.vision import boxes as box_ops
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

SIDES = st.integers(0, 40).map(lambda n: n / 2)


def box_arrays(count, *, least_side=0.0):
    """Boxes yxyx whose coordinates are multiples of 1/2, so that float32 has no rounding in areas."""
    return hnp.arrays(np.float32, [count, 4], elements=SIDES).map(
        lambda values: np.concatenate([values[:, :2], values[:, :2] + values[:, 2:] + least_side], axis=1)
    )


def overlap_oracle(first, second):
    """Intersections `[n, m]` and areas, one pair at a time."""
    shared = np.zeros([len(first), len(second)])
    for i, a in enumerate(first.astype(float)):
        for j, b in enumerate(second.astype(float)):
            height = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
            shared[i, j] = height * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    areas = [[(y1 - y0) * (x1 - x0) for y0, x0, y1, x1 in boxes.astype(float)] for boxes in (first, second)]
    return shared, np.array(areas[0]), np.array(areas[1])


@given(box_arrays(4), box_arrays(3))
def test_overlaps_are_those_of_the_definition(first, second):
    shared, areas, other_areas = overlap_oracle(first, second)
    union = areas[:, None] + other_areas[None] - shared

    np.testing.assert_allclose(box_ops.areas(first), areas)
    iou = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    np.testing.assert_allclose(box_ops.pairwise_iou(first, second), iou, rtol=1e-6)
    covered = np.broadcast_to(other_areas[None], shared.shape)
    coverage = np.divide(shared, covered, out=np.zeros_like(shared), where=covered > 0)
    np.testing.assert_allclose(box_ops.pairwise_coverage(first, second), coverage, rtol=1e-6)


def test_boxes_that_end_before_they_begin_have_no_area():
    inverted = tf.constant([[5.0, 5.0, 1.0, 1.0]])

    assert float(box_ops.areas(inverted)[0]) == 0.0
    assert not bool(box_ops.is_not_empty(inverted)[0])
    assert float(box_ops.pairwise_iou(inverted, [[0.0, 0.0, 9.0, 9.0]])[0, 0]) == 0.0


def test_clip_cuts_at_the_size_of_each_image():
    boxes = tf.constant([[[-1.0, -2.0, 50.0, 60.0], [5.0, 90.0, 6.0, 95.0]]] * 2)
    sizes = tf.constant([[40.0, 30.0], [100.0, 10.0]])[:, tf.newaxis]

    np.testing.assert_array_equal(box_ops.clip(boxes, sizes)[0], [[0, 0, 40, 30], [5, 30, 6, 30]])
    np.testing.assert_array_equal(box_ops.clip(boxes, sizes)[1], [[0, 0, 50, 10], [5, 10, 6, 10]])


@pytest.mark.parametrize("flip", [True, False])
def test_mirroring_swaps_and_reflects_the_sides(flip):
    mirrored = box_ops.mirrored(tf.constant([[0.0, 0.25, 1.0, 0.375]]), tf.constant(flip))

    np.testing.assert_array_equal(mirrored, [[0.0, 0.625, 1.0, 0.75]] if flip else [[0.0, 0.25, 1.0, 0.375]])


def test_placed_boxes_follow_scale_offset_and_window():
    # An image of 100x200, twice as high and half as wide in the input, of which 20 rows and 5 columns are cut off.
    image_info = tf.constant([[100.0, 200.0], [128.0, 64.0], [2.0, 0.5], [20.0, 5.0]])
    boxes = tf.constant([[0.1, 0.1, 0.5, 0.5], [0.0, 0.9, 0.05, 1.0]])

    placed = box_ops.placed(boxes, image_info)
    np.testing.assert_allclose(placed, [[0, 5, 80, 45], [0, 64, 0, 64]], atol=1e-4)
    np.testing.assert_array_equal(box_ops.is_not_empty(placed), [True, False])


WEIGHTS = st.sampled_from([(1.0, 1.0, 1.0, 1.0), (10.0, 10.0, 5.0, 5.0)])


@given(box_arrays(4, least_side=0.5), box_arrays(4, least_side=0.5), WEIGHTS)
def test_codes_are_offsets_and_logarithmic_sizes(boxes, anchors, weights):
    codes = box_ops.BoxCoder(weights).encode(boxes, anchors)

    for code, box, anchor in zip(codes.numpy(), boxes.astype(float), anchors.astype(float), strict=True):
        height, width = anchor[2] - anchor[0], anchor[3] - anchor[1]
        expected = [
            ((box[0] + box[2]) / 2 - (anchor[0] + anchor[2]) / 2) / height,
            ((box[1] + box[3]) / 2 - (anchor[1] + anchor[3]) / 2) / width,
            math.log((box[2] - box[0]) / height),
            math.log((box[3] - box[1]) / width),
        ]
        np.testing.assert_allclose(code, np.multiply(expected, weights), rtol=1e-4, atol=1e-5)


@given(box_arrays(4, least_side=0.5), box_arrays(4, least_side=0.5), WEIGHTS)
def test_decoding_undoes_encoding(boxes, anchors, weights):
    coder = box_ops.BoxCoder(weights)

    # At most 40.5 times as large as the anchor, below the limit.
    decoded = coder.decode(coder.encode(boxes, anchors), anchors)
    np.testing.assert_allclose(decoded, boxes, atol=2e-3)


def test_empty_boxes_have_finite_codes():
    codes = box_ops.BoxCoder().encode(tf.zeros([1, 4]), tf.constant([[0.0, 0.0, 8.0, 8.0]]))

    np.testing.assert_allclose(codes, [[-0.5, -0.5, math.log(1e-8 / 8), math.log(1e-8 / 8)]], rtol=1e-6)


def test_decoded_boxes_are_at_most_62_5_times_as_large_as_their_anchors():
    boxes = box_ops.BoxCoder().decode(tf.constant([[0.0, 0.0, 1e4, 50.0]]), tf.constant([[0.0, 0.0, 2.0, 4.0]]))

    np.testing.assert_allclose(boxes[0, 2:] - boxes[0, :2], [125.0, 250.0], rtol=1e-5)


@pytest.mark.parametrize("weights", [(1.0, 1.0, 1.0), (1.0, 1.0, 0.0, 1.0)])
def test_weights_that_cannot_be_used_are_refused(weights):
    with pytest.raises(ValueError, match="`weights` must be four numbers above 0"):
        box_ops.BoxCoder(weights)
