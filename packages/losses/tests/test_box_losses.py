"""Losses of boxes against closed forms in float64, one pair of boxes at a time, and their gradients."""

import math

import numpy as np
import pytest
import tensorflow as tf
from assay.losses import BoxHuberLoss, CIoULoss, box_huber_loss, ciou_loss, diou_loss, giou_loss, iou_loss
from hypothesis import given
from hypothesis import strategies as st
from loss_numerics import assert_gradient_is_numeric, on_two_replicas, value_and_gradient

UNIT = np.float32([0, 0, 1, 1])
OVERLAPS = {"iou": iou_loss, "giou": giou_loss, "diou": diou_loss, "ciou": ciou_loss}


def oracle(kind, target, box):
    """The published formula for one pair of yxyx boxes with positive sizes."""
    target, box = [float(x) for x in target], [float(x) for x in box]
    height = max(min(target[2], box[2]) - max(target[0], box[0]), 0.0)
    width = max(min(target[3], box[3]) - max(target[1], box[1]), 0.0)
    areas = [(b[2] - b[0]) * (b[3] - b[1]) for b in (target, box)]
    union = sum(areas) - height * width
    iou = height * width / union
    hull = (max(target[2], box[2]) - min(target[0], box[0]), max(target[3], box[3]) - min(target[1], box[1]))
    if kind == "iou":
        return 1 - iou
    if kind == "giou":
        return 1 - (iou - (hull[0] * hull[1] - union) / (hull[0] * hull[1]))
    centres = [((b[0] + b[2]) / 2, (b[1] + b[3]) / 2) for b in (target, box)]
    diou = 1 - iou + math.dist(*centres) ** 2 / (hull[0] ** 2 + hull[1] ** 2)
    if kind == "diou":
        return diou
    angles = [math.atan((b[3] - b[1]) / (b[2] - b[0])) for b in (target, box)]
    v = 4 / math.pi**2 * (angles[0] - angles[1]) ** 2
    return diou + (v * v / (1 - iou + v) if v else 0.0)


@st.composite
def pairs(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    corners = rng.uniform(-2, 2, (4, 2, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(0.1, 3, (4, 2, 2))], -1)
    return (boxes * draw(st.sampled_from([0.01, 1.0, 500.0]))).astype(np.float32)


@pytest.mark.parametrize("kind", OVERLAPS)
@given(pairs())
def test_overlap_equals_the_published_formula(kind, boxes):
    expected = [oracle(kind, target, box) for target, box in boxes]

    np.testing.assert_allclose(OVERLAPS[kind](boxes[:, 0], boxes[:, 1]), expected, rtol=1e-4, atol=1e-5)


def test_worked_example():
    # Two 2 x 2 boxes that share 1 x 2: IoU 1/3, the hull 2 x 3 is filled, centres 1 apart, the diagonal squared 13.
    target, box = [[0.0, 0.0, 2.0, 2.0]], [[0.0, 1.0, 2.0, 3.0]]

    for kind, expected in {"iou": 2 / 3, "giou": 2 / 3, "diou": 2 / 3 + 1 / 13, "ciou": 2 / 3 + 1 / 13}.items():
        np.testing.assert_allclose(OVERLAPS[kind](target, box), [expected], rtol=1e-6)


@pytest.mark.parametrize("kind", OVERLAPS)
@pytest.mark.parametrize("box", [[1.0, 2.0, 3.0, 5.0], [1.0, 1.0, 1.0, 1.0], [0.0, 0.0, 0.0, 2.0]])
def test_equal_boxes_have_loss_zero(kind, box):
    np.testing.assert_allclose(OVERLAPS[kind]([box], [box]), [0.0], atol=1e-6)


@pytest.mark.parametrize("kind", OVERLAPS)
@pytest.mark.parametrize(
    "box",
    [
        [0.0, 0.0, 0.0, 0.0],
        [1.0, 1.0, 1.0, 1.0],
        [0.0, 0.0, 0.0, 2.0],
        [2.0, 2.0, 1.0, 1.0],
        [1e6, 1e6, 2e6, 2e6],
        [5.0, 5.0, 6.0, 6.0],
    ],
)
@pytest.mark.parametrize("target", [[0.0, 0.0, 2.0, 2.0], [0.0, 0.0, 0.0, 0.0]])
def test_value_and_gradient_are_finite_for_any_box(kind, box, target):
    value, gradient = value_and_gradient(lambda b: OVERLAPS[kind]([target], b), np.float32([box]))

    assert -1e-6 <= value <= 3
    assert np.isfinite(gradient).all()


@pytest.mark.parametrize("kind", ["iou", "giou", "diou"])
def test_overlap_gradient_equals_central_differences(kind):
    boxes = np.array([[0.1, 0.2, 2.0, 2.5], [4.0, 5.0, 6.0, 7.0]])

    assert_gradient_is_numeric(lambda b: OVERLAPS[kind]([[0.0, 0.5, 2.2, 2.0], [1.0, 1.0, 2.0, 3.0]], b), boxes)


def test_ciou_gradient_holds_its_weight_constant():
    target, box = np.array([[0.0, 0.5, 2.2, 2.0]]), np.array([[0.1, 0.2, 2.0, 2.5]])
    iou = 1 - iou_loss(target, box).numpy()
    full = ciou_loss(target, box).numpy() - diou_loss(target, box).numpy()  # a * v, with a = v / (1 - iou + v)
    v = (full + np.sqrt(full**2 + 4 * full * (1 - iou))) / 2
    weight = float(v[0] / (1 - iou[0] + v[0]))

    def angle(b):
        return tf.math.atan((b[:, 3] - b[:, 1]) / (b[:, 2] - b[:, 0]))

    def constant_weight(b):
        return diou_loss(target, b) + weight * 4 / math.pi**2 * (angle(tf.constant(target)) - angle(b)) ** 2

    np.testing.assert_allclose(
        value_and_gradient(lambda b: ciou_loss(target, b), box)[1],
        value_and_gradient(constant_weight, box)[1],
        rtol=1e-6,
    )


@pytest.mark.parametrize("kind", OVERLAPS)
def test_disjoint_boxes_are_pulled_together_by_all_but_iou(kind):
    _, gradient = value_and_gradient(lambda b: OVERLAPS[kind]([[0.0, 0.0, 1.0, 1.0]], b), np.float32([[0, 3, 1, 4]]))

    assert (gradient[0, 1] + gradient[0, 3] > 0) == (kind != "iou")


@given(pairs(), st.sampled_from([0.1, 1.0, 3.0]))
def test_huber_equals_the_oracle(boxes, delta):
    error = np.abs(boxes[:, 0].astype(np.float64) - boxes[:, 1])
    expected = np.where(error <= delta, error**2 / 2, delta * (error - delta / 2))

    for reduction in ("mean", "sum"):
        values = box_huber_loss(boxes[:, 0], boxes[:, 1], delta=delta, coordinate_reduction=reduction)
        np.testing.assert_allclose(values, getattr(expected, reduction)(-1), rtol=1e-4, atol=1e-6)


def test_huber_gradient_is_the_clipped_error():
    _, gradient = value_and_gradient(
        lambda b: box_huber_loss([[0.0, 0.0, 0.0, 0.0]], b, delta=0.1, coordinate_reduction="sum"),
        np.float32([[0.05, -0.05, 1e30, -3.0]]),
    )

    np.testing.assert_allclose(gradient, [[0.05, -0.05, 0.1, -0.1]], rtol=1e-6)


@pytest.mark.parametrize(("targets", "boxes"), [((2, 4), (3, 4)), ((2, 3), (2, 3)), ((4,), (2, 4)), ((2, 4), (2, 5))])
def test_shapes_that_do_not_fit_are_refused(targets, boxes):
    for function in (*OVERLAPS.values(), box_huber_loss):
        with pytest.raises(ValueError, match="Boxes must have shape"):
            function(np.zeros(targets, np.float32), np.zeros(boxes, np.float32))


@pytest.mark.parametrize("loss", [CIoULoss, BoxHuberLoss])
def test_positives_are_counted_over_all_replicas(loss):
    rng = np.random.default_rng(0)
    loss = loss(reduction="mean_with_sample_weight")
    corners = rng.uniform(size=(2, 1, 3, 2)).astype(np.float32)
    boxes = np.concatenate([corners, corners + 1], -1)
    weights = np.float32([[[1, 1, 1]], [[0, 1, 0]]])

    halves = on_two_replicas(
        lambda box, weight: loss(tf.zeros_like(box) + UNIT, box, weight) / 2.0,
        *zip(boxes, weights, strict=True),
    )

    whole = loss(np.broadcast_to(UNIT, (2, 3, 4)), boxes[:, 0], weights[:, 0])
    np.testing.assert_allclose(sum(halves), whole, rtol=1e-6)


@pytest.mark.parametrize("options", [{"delta": 0.0}, {"delta": -1.0}, {"coordinate_reduction": "max"}])
def test_options_out_of_range_are_refused(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        BoxHuberLoss(**options)
