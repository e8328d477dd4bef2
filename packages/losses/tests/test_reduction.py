"""The one place that weights and normalises: its table, its alignment, and what a weight of 0 takes out."""

import numpy as np
import pytest
import tensorflow as tf
from assay.losses import (
    CrossEntropyLoss,
    MaskScoringLoss,
    SigmoidCrossEntropyLoss,
    SigmoidFocalLoss,
    SoftmaxFocalLoss,
    SupervisedContrastiveLoss,
)
from assay.losses import _reduction as reduction
from hypothesis import given
from hypothesis import strategies as st
from loss_numerics import on_two_replicas

VALUES = np.array([1.0, 2.0, 4.0, 8.0], np.float32)
WEIGHTS = np.array([1.0, 0.0, 0.5, 2.0], np.float32)
VALID = np.array([True, True, True, False])


def reduce(name, *, weights=None, valid=None, values=VALUES):
    return reduction.reduce_values(
        tf.constant(values),
        weights=None if weights is None else tf.constant(weights),
        valid=None if valid is None else tf.constant(valid),
        reduction=name,
    ).numpy()


@pytest.mark.parametrize(
    ("name", "weights", "valid", "expected"),
    [
        ("none", None, None, [1, 2, 4, 8]),
        ("none", WEIGHTS, VALID, [1, 0, 2, 0]),
        ("sum", None, None, 15),
        ("sum", WEIGHTS, VALID, 3),
        ("sum_over_batch_size", None, None, 15 / 4),
        ("sum_over_batch_size", WEIGHTS, None, 19 / 4),
        ("sum_over_batch_size", None, VALID, 7 / 3),
        ("sum_over_batch_size", WEIGHTS, VALID, 3 / 3),
        ("mean_with_sample_weight", None, None, 15 / 4),
        ("mean_with_sample_weight", WEIGHTS, None, 19 / 3.5),
        ("mean_with_sample_weight", WEIGHTS, VALID, 3 / 1.5),
    ],
)
def test_table(name, weights, valid, expected):
    np.testing.assert_allclose(reduce(name, weights=weights, valid=valid), expected, rtol=1e-6)


@given(st.lists(st.floats(-10, 10, width=32), min_size=1, max_size=20), st.data())
def test_weights_of_one_change_nothing(values, data):
    name = data.draw(st.sampled_from(reduction.REDUCTIONS))
    values = np.array(values, np.float32)

    np.testing.assert_array_equal(
        reduce(name, values=values, weights=np.ones_like(values)), reduce(name, values=values)
    )


@pytest.mark.parametrize("name", ["sum", "sum_over_batch_size", "mean_with_sample_weight"])
@pytest.mark.parametrize(
    ("values", "weights", "valid"),
    [
        (np.zeros([0], np.float32), None, None),
        (np.zeros([0], np.float32), np.zeros([0], np.float32), np.zeros([0], bool)),
        (np.zeros([0, 3], np.float32), None, None),
        (VALUES, np.zeros(4, np.float32), None),
        (VALUES, None, np.zeros(4, bool)),
        (VALUES * np.nan, WEIGHTS, np.zeros(4, bool)),
    ],
)
def test_nothing_to_count_is_zero(name, values, weights, valid):
    assert reduce(name, values=values, weights=weights, valid=valid) == 0.0


def test_weight_of_zero_takes_out_what_is_not_finite():
    assert reduce("sum", values=np.array([1.0, np.inf, np.nan], np.float32), weights=[2.0, 0.0, 0.0]) == 2.0


def test_weight_that_is_nan_shows():
    assert np.isnan(reduce("sum", weights=np.array([1, 1, np.nan, 1], np.float32)))


@pytest.mark.parametrize(
    ("weights", "elements", "expand_to"),
    [
        ((), (4, 3), (1, 1)),
        ((4, 3), (4, 3), (4, 3)),
        ((4, 3, 1), (4, 3), (4, 3)),
        ((4,), (4, 3), (4, 1)),
        ((4, 1), (4, 3), (4, 1)),
        ((4, 1), (4,), (4,)),
        ((2,), (2, 2), (2, 1)),
        ((4, 3), (4, 3, 2), (4, 3, 1)),
    ],
)
def test_weights_are_aligned_by_rows(weights, elements, expand_to):
    drawn = np.random.default_rng(0).uniform(size=weights)

    aligned = reduction.align_weights(tf.constant(drawn), tf.TensorShape(elements))

    np.testing.assert_array_equal(
        aligned * tf.ones(elements, tf.float64), np.broadcast_to(drawn.reshape(expand_to), elements)
    )


@pytest.mark.parametrize(
    ("weights", "elements"), [((3,), (4, 3)), ((1, 3), (4, 3)), ((4, 3), (4,)), ((1,), (4,)), ((4, 3, 2), (4, 3))]
)
def test_weights_that_do_not_fit_are_refused(weights, elements):
    with pytest.raises(ValueError, match="must be a scalar, or have the shape of the elements"):
        reduction.align_weights(tf.zeros(weights), tf.TensorShape(elements))


def test_weights_of_unknown_rank_are_refused():
    @tf.function(input_signature=[tf.TensorSpec(None, tf.float32)])
    def align(weights):
        return reduction.align_weights(weights, tf.TensorShape([4]))

    with pytest.raises(ValueError, match="ranks must be known"):
        align.get_concrete_function()


def test_unknown_reduction_is_refused():
    with pytest.raises(ValueError, match="must be one of none, sum"):
        reduction.check_reduction("average")


def test_none_is_the_name_none():
    assert reduction.check_reduction(None) == "none"


REPLICA_IDS = (np.array([0, 255, 1]), np.array([2, 255, 255]))
REPLICA_LOGITS = tuple(np.random.default_rng(4).normal(size=(3, 3)).astype(np.float32) for _ in range(2))
REPLICA_WEIGHTS = (np.float32([1.0, 1.0, 0.0]), np.float32([0.25, 3.0, 1.0]))


@pytest.mark.parametrize("name", ["sum_over_batch_size", "mean_with_sample_weight"])
def test_global_count_makes_two_replicas_equal_one(name):
    loss = CrossEntropyLoss(ignore_label=255, reduction=name)
    batches = list(zip(REPLICA_IDS, REPLICA_LOGITS, REPLICA_WEIGHTS, strict=True))
    whole = [np.concatenate(parts) for parts in zip(*batches, strict=True)]

    halves = on_two_replicas(lambda *batch: loss(*batch) / 2.0, *batches)

    np.testing.assert_allclose(sum(halves), loss(*whole), rtol=1e-6)


def test_counts_of_every_kind_of_loss_make_two_replicas_equal_one():
    ignoring = [each(ignore_label=255) for each in (SigmoidCrossEntropyLoss, SigmoidFocalLoss, SoftmaxFocalLoss)]
    scoring, contrastive = MaskScoringLoss(), SupervisedContrastiveLoss()
    maps = (np.array([[[255, 255]], [[0, 1]]]), np.array([[[1, 2]], [[255, 0]]]))
    pixels = np.random.default_rng(5).normal(size=(2, 2, 1, 2, 3)).astype(np.float32)
    scores = np.random.default_rng(6).uniform(size=(2, 2, 3)).astype(np.float32)
    classes = (np.array([0, 0, 1]), np.array([2, 2, 2]))  # an anchor of the first replica has no company

    def step(ids, logits, labels, scored, predicted, classes):
        values = [loss(ids, logits) for loss in ignoring]
        values += [scoring({"labels": labels, "logits": scored}, predicted), contrastive(classes, logits)]
        return tf.stack(values) / 2.0

    halves = list(zip(REPLICA_IDS, REPLICA_LOGITS, maps, pixels, scores, classes, strict=True))
    found = sum(on_two_replicas(step, *halves))

    whole = [np.concatenate(parts) for parts in zip(*halves, strict=True)]
    np.testing.assert_allclose(found[:-1], 2.0 * step(*whole)[:-1], rtol=1e-5)
    # Each replica contrasts its own examples; the five anchors with company are counted over both.
    of_each = [SupervisedContrastiveLoss(reduction="sum")(half[-1], half[1]) for half in halves]
    np.testing.assert_allclose(found[-1], sum(of_each) / 5.0, rtol=1e-5)


def test_replica_count_is_that_of_the_replica():
    loss = CrossEntropyLoss(ignore_label=255, normalisation="replica")
    batches = list(zip(REPLICA_IDS, REPLICA_LOGITS, strict=True))

    halves = on_two_replicas(loss, *batches)

    np.testing.assert_allclose(halves, [loss(*batch) for batch in batches], rtol=1e-6)


def test_replicas_that_cannot_meet_are_told_what_to_do():
    loss = tf.function(CrossEntropyLoss(ignore_label=255))
    batches = list(zip(REPLICA_IDS, REPLICA_LOGITS, strict=True))

    with pytest.raises(RuntimeError, match='normalisation="replica"'):
        on_two_replicas(loss, *batches)


def test_unknown_normalisation_is_refused():
    with pytest.raises(ValueError, match="normalisation"):
        CrossEntropyLoss(normalisation="world")
