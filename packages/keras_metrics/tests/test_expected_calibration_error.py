"""The calibration error against a NumPy oracle that fills the bins one example at a time."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
from assay.keras_metrics import ExpectedCalibrationError
from hypothesis import given, settings
from hypothesis import strategies as st


def oracle(labels, probabilities, num_bins, weights=None):
    labels, probabilities = np.ravel(labels), np.reshape(probabilities, (-1, np.shape(probabilities)[-1]))
    weights = np.ones(len(labels)) if weights is None else np.ravel(weights).astype(np.float64)
    # float32 edges, like the probabilities: one of exactly 0.6 belongs to the bin that ends there.
    edges = np.arange(num_bins + 1, dtype=np.float64) / num_bins
    edges = edges.astype(np.float32)
    error = 0.0
    for low, high in itertools.pairwise(edges):
        gap = 0.0
        for label, row, weight in zip(labels, probabilities, weights, strict=True):
            confidence = row.max()
            if low < confidence <= high or (low == 0 and confidence == 0):
                gap += weight * (float(row.argmax() == label) - float(confidence))
        error += abs(gap)
    return error / weights.sum() if weights.sum() else 0.0


def measured(metric, *arguments):
    metric.update_state(*arguments)
    return metric.result().numpy()


def softmax(logits):
    powers = np.exp(logits.astype(np.float64) - logits.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


@st.composite
def examples(draw):
    shape = draw(st.sampled_from([(1,), (9,), (2, 3)]))
    num_classes = draw(st.integers(2, 4))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    logits = rng.normal(size=(*shape, num_classes)).astype(np.float32) * 2
    weights = rng.uniform(0, 2, shape).astype(np.float32) if draw(st.booleans()) else None
    return rng.integers(0, num_classes, shape), logits, weights, draw(st.sampled_from([1, 2, 10, 15]))


@settings(max_examples=25)
@given(examples())
def test_equal_to_the_oracle(batch):
    labels, logits, weights, num_bins = batch
    probabilities = softmax(logits).astype(np.float32)

    value = measured(ExpectedCalibrationError(num_bins), labels, probabilities, weights)

    assert value == pytest.approx(oracle(labels, probabilities, num_bins, weights), abs=1e-5)


def test_logits_equal_their_probabilities():
    rng = np.random.default_rng(0)
    labels, logits = rng.integers(0, 3, 50), rng.normal(size=(50, 3))

    value = measured(ExpectedCalibrationError(from_logits=True), labels, logits)

    assert value == pytest.approx(oracle(labels, softmax(logits), 15), abs=1e-5)


@pytest.mark.parametrize("jit_compile", [None, True])
@pytest.mark.parametrize("at", [0.6, 1.0])
def test_confidence_at_an_edge_is_in_the_bin_below(at, jit_compile):
    rows = tf.constant([[at, 0.05], [at - 0.05, 0.01]], tf.float32)
    metric = ExpectedCalibrationError(10)

    tf.function(metric.update_state, jit_compile=jit_compile)(tf.constant([0, 1]), rows)

    # One bin: the two gaps, 1 - at and -(at - 0.05), cancel in part. Two bins would add them up.
    assert metric.result().numpy() == pytest.approx(abs(1 - at - (at - 0.05)) / 2, abs=1e-6)


def test_confidence_of_zero_is_in_the_first_bin():
    metric = ExpectedCalibrationError(10)
    metric.update_state([1], [[0.0, 0.0]])

    assert metric.total.value().numpy() == 1.0
    assert metric.result().numpy() == 0.0


def test_ignored_label_is_left_out():
    assert measured(ExpectedCalibrationError(ignore_label=255), [0, 255], [[1.0, 0], [1, 0]]) == 0.0


def test_weight_of_zero_equals_removal_also_of_nan():
    value = measured(ExpectedCalibrationError(), [0, 1], [[0.75, 0.25], [np.nan, 0.5]], [2.0, 0.0])

    assert value == 0.25


def test_nan_shows_until_reset():
    metric = ExpectedCalibrationError()

    shown = measured(metric, [0, 0], [[np.nan, 0.5], [1.0, 0.0]])
    metric.reset_state()

    assert np.isnan(shown)
    assert measured(metric, [0], [[0.75, 0.25]]) == 0.25


def test_no_update_is_zero():
    assert ExpectedCalibrationError().result().numpy() == 0.0


@pytest.mark.parametrize("num_bins", [0, -1, 1.5, True])
def test_number_of_bins_is_checked(num_bins):
    with pytest.raises(ValueError, match="at least 1"):
        ExpectedCalibrationError(num_bins)
