"""What TopKAccuracy and Accuracy count, against a NumPy oracle that sorts."""

import numpy as np
import pytest
import tensorflow as tf
from assay.keras_metrics import Accuracy, TopKAccuracy
from hypothesis import given
from hypothesis import strategies as st


def oracle(ids, scores, k, weights=None):
    """Weighted share of rows whose id is among the first k of a stable sort by falling score."""
    ids, scores = np.ravel(ids), np.reshape(scores, (-1, np.shape(scores)[-1]))
    weights = np.ones(len(ids)) if weights is None else np.ravel(weights).astype(np.float64)
    best = np.argsort(-np.asarray(scores, np.float64), axis=-1, kind="stable")[:, :k]
    return (weights * (best == ids[:, None]).any(-1)).sum() / max(weights.sum(), 1e-300)


def measured(metric, *arguments):
    metric.update_state(*arguments)
    return metric.result().numpy()


@st.composite
def batches(draw):
    shape = draw(st.sampled_from([(1,), (7,), (2, 3), (2, 2, 2)]))
    num_classes = draw(st.integers(2, 6))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    # A coarse grid of scores makes ties common.
    scores = rng.integers(-2, 3, size=(*shape, num_classes)) / 2
    ids = rng.integers(0, num_classes, size=shape)
    return ids, scores.astype(np.float32), draw(st.integers(1, num_classes)), rng


@given(batches())
def test_sparse_labels_equal_the_oracle(batch):
    ids, scores, k, _ = batch

    assert measured(TopKAccuracy(k), ids, scores) == pytest.approx(oracle(ids, scores, k), abs=1e-6)


@given(batches())
def test_one_hot_labels_equal_the_oracle(batch):
    ids, scores, k, _ = batch

    value = measured(TopKAccuracy(k), np.eye(scores.shape[-1])[ids], scores)

    assert value == pytest.approx(oracle(ids, scores, k), abs=1e-6)


@given(batches(), st.sampled_from(["uniform", "integer", "zero_one", "tiny"]))
def test_weights_equal_the_oracle(batch, kind):
    ids, scores, k, rng = batch
    weights = {
        "uniform": rng.uniform(0.1, 3, ids.shape),
        "integer": rng.integers(1, 5, ids.shape),
        "zero_one": rng.integers(0, 2, ids.shape).astype(np.float32),
        "tiny": rng.uniform(1e-9, 1e-7, ids.shape),
    }[kind]

    value = measured(TopKAccuracy(k), ids, scores, weights)

    assert value == pytest.approx(oracle(ids, scores, k, weights), rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("dtype", [tf.float16, tf.bfloat16, tf.float32, tf.float64])
def test_scores_of_every_dtype_count_alike(dtype):
    scores = tf.cast([[0.1, 0.7, 0.2], [0.5, 0.25, 0.25]], dtype)

    assert measured(Accuracy(), [1, 2], scores) == 0.5


@pytest.mark.parametrize(("true_id", "expected"), [(0, 1.0), (1, 1.0), (2, 0.0), (3, 0.0)])
def test_tie_goes_to_the_lower_id(true_id, expected):
    assert measured(TopKAccuracy(2), [true_id], np.zeros((1, 4), np.float32)) == expected


def test_constant_scores_are_no_perfect_classifier():
    assert measured(Accuracy(), np.arange(10), np.zeros((10, 10), np.float32)) == pytest.approx(0.1)


@pytest.mark.parametrize("bad", [np.nan, [np.nan, 0.0, 0.0], [0.0, 1.0, np.nan]])
@pytest.mark.parametrize("k", [1, 3])
def test_row_with_nan_counts_as_wrong(bad, k):
    scores = np.zeros((2, 3), np.float32)
    scores[0] = bad

    assert measured(TopKAccuracy(k), [0, 0], scores) == 0.5


def test_infinite_scores_are_ordered():
    assert measured(TopKAccuracy(2), [0, 2], [[-np.inf, np.inf, 0.0], [-np.inf, np.inf, 0.0]]) == 0.5


@pytest.mark.parametrize("bad_id", [-1, 3, 2**31 - 1])
def test_label_out_of_range_counts_as_wrong(bad_id):
    assert measured(TopKAccuracy(3), [bad_id, 1], np.zeros((2, 3), np.float32)) == 0.5


@pytest.mark.parametrize("row", [[0, 0, 0], [np.nan, np.nan, np.nan]])
def test_dense_label_without_class_counts_as_wrong(row):
    assert measured(TopKAccuracy(3), [row, [0.0, 1, 0]], np.zeros((2, 3), np.float32)) == 0.5


@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.uint8, np.float32])
def test_ignored_label_is_left_out(dtype):
    metric = Accuracy(ignore_label=255)

    assert measured(metric, np.array([0, 255, 1, 255], dtype), [[1.0, 0], [1, 0], [1, 0], [0, 1]]) == 0.5


def test_only_ignored_labels_are_zero():
    assert measured(Accuracy(ignore_label=255), [255], [[1.0, 0.0]], [2.0]) == 0.0


def test_no_update_is_zero():
    assert Accuracy().result().numpy() == 0.0


def test_empty_batch_changes_nothing():
    metric = Accuracy()
    metric.update_state([0], [[1.0, 0.0]])

    assert measured(metric, np.zeros([0], np.int32), np.zeros([0, 2], np.float32)) == 1.0


def test_weight_of_zero_equals_removal_also_of_nan():
    metric = Accuracy()

    value = measured(metric, [0, 7, 1], [[1.0, 0.0], [np.nan, np.inf], [1.0, 0.0]], [1.0, 0.0, 3.0])

    assert value == 0.25


def test_weights_of_one_equal_no_weights():
    ids, scores = [0, 1, 1], [[1.0, 0], [1, 0], [0, 1]]

    assert measured(Accuracy(), ids, scores, [1.0, 1, 1]) == measured(Accuracy(), ids, scores)


def test_integer_weights_equal_repetition():
    rng = np.random.default_rng(0)
    ids, scores, weights = rng.integers(0, 3, 20), rng.normal(size=(20, 3)), rng.integers(0, 4, 20)

    weighted = measured(Accuracy(), ids, scores, weights)

    assert weighted == measured(Accuracy(), np.repeat(ids, weights), np.repeat(scores, weights, axis=0))


@pytest.mark.parametrize("weight", [np.nan, np.inf])
def test_weight_that_is_not_finite_shows_until_reset(weight):
    metric = Accuracy()

    shown = measured(metric, [0], [[1.0, 0.0]], [weight])
    metric.reset_state()

    assert np.isnan(shown)
    assert measured(metric, [0], [[1.0, 0.0]]) == 1.0


def test_boolean_weights_select():
    assert measured(Accuracy(), [0, 1], [[1.0, 0], [1, 0]], [True, False]) == 1.0


def test_scalar_weight_scales_both_counts():
    assert measured(Accuracy(), [0, 1], [[1.0, 0], [1, 0]], 0.3) == pytest.approx(0.5)


def test_weights_per_row_of_a_label_map():
    ids, scores = np.array([[0, 0], [0, 1]]), np.array([[[1.0, 0], [1, 0]], [[0, 1], [0, 1]]])

    assert measured(Accuracy(), ids, scores, [3.0, 1.0]) == pytest.approx((3 * 2 + 1) / 8)


@pytest.mark.parametrize(
    ("labels", "scores"), [((3,), (1, 4)), ((1,), (3, 4)), ((4, 3), (4, 5)), ((1, 3), (4, 3)), ((4,), (4, 2, 3))]
)
def test_shapes_that_do_not_fit_are_refused(labels, scores):
    with pytest.raises(ValueError, match="does not fit"):
        Accuracy().update_state(np.zeros(labels, np.int32), np.zeros(scores, np.float32))


@pytest.mark.parametrize("weights", [(3,), (1, 4), (4, 3)])
def test_weights_that_do_not_fit_are_refused(weights):
    with pytest.raises(ValueError, match="sample_weight"):
        Accuracy().update_state(np.zeros(4, np.int32), np.zeros((4, 3), np.float32), np.ones(weights))


@pytest.mark.parametrize("scores", [[0.3, 0.7], [[0.3], [0.7]]])
def test_binary_scores_are_refused(scores):
    with pytest.raises(ValueError, match="at least two classes"):
        Accuracy().update_state([0, 1], scores)


def test_k_above_the_number_of_classes_is_refused():
    with pytest.raises(ValueError, match=r"`k` \(5\) of 'top_5_accuracy' is larger than the number of classes \(3\)"):
        TopKAccuracy().update_state([0], [[1.0, 0.0, 0.0]])


@pytest.mark.parametrize("k", [0, -1, 1.5, True])
def test_k_that_is_no_positive_integer_is_refused(k):
    with pytest.raises(ValueError, match="at least 1"):
        TopKAccuracy(k)


def test_low_precision_ids_are_refused():
    with pytest.raises(ValueError, match="cannot hold every id"):
        Accuracy().update_state(tf.constant([1.0], tf.bfloat16), [[1.0, 0.0]])


def test_large_ids_stay_exact():
    scores = tf.cast(tf.one_hot([70001], 70003), tf.bfloat16)

    assert measured(Accuracy(), [70001], scores) == 1.0
    assert measured(Accuracy(), [70000], scores) == 0.0
