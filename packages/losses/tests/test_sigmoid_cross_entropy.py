"""Sigmoid cross-entropy against a NumPy float64 oracle, at its edges, and in its gradient."""

import numpy as np
import pytest
import tensorflow as tf
from assay.losses import sigmoid_cross_entropy
from hypothesis import given
from hypothesis import strategies as st

TOLERANCE = {"rtol": 2e-6, "atol": 4e-6}


def oracle(targets, logits, *, label_smoothing=0.0, class_weights=1.0, keep=1.0, class_reduction="mean"):
    """Entry by entry in float64: log(1 + exp(z)) - t z, written with logaddexp."""
    targets, logits = np.asarray(targets, np.float64), np.asarray(logits, np.float64)
    targets = (1 - label_smoothing) * targets + label_smoothing / 2
    entries = (np.logaddexp(0, logits) - targets * logits) * np.asarray(class_weights) * keep
    total = entries.sum(-1)
    if class_reduction == "sum":
        return total
    return total / np.maximum((np.ones_like(entries) * keep).sum(-1), 1)


@st.composite
def batches(draw):
    shape = draw(st.sampled_from([(1,), (5,), (2, 3)]))
    num_classes = draw(st.integers(1, 5))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    logits = (rng.normal(size=(*shape, num_classes)) * draw(st.sampled_from([0.1, 1, 10]))).astype(np.float32)
    multi_hot = rng.integers(0, 2, size=(*shape, num_classes))
    options = {
        "label_smoothing": draw(st.sampled_from([0.0, 0.1, 1.0])),
        "class_weights": list(rng.uniform(0, 3, num_classes)),
        "class_reduction": draw(st.sampled_from(["mean", "sum"])),
    }
    return logits, multi_hot, options


@given(batches())
def test_multi_hot_labels_equal_the_oracle(batch):
    logits, multi_hot, options = batch

    values = sigmoid_cross_entropy(multi_hot, logits, **options)

    np.testing.assert_allclose(values, oracle(multi_hot, logits, **options), **TOLERANCE)


@given(batches())
def test_ignored_entries_leave_sum_and_mean(batch):
    logits, multi_hot, options = batch
    hidden = np.random.default_rng(0).uniform(size=multi_hot.shape) < 0.5
    poisoned = np.where(hidden, np.nan, logits).astype(np.float32)
    variable = tf.Variable(poisoned)

    with tf.GradientTape() as tape:
        values = sigmoid_cross_entropy(np.where(hidden, -1, multi_hot), variable, ignore_label=-1, **options)
    gradient = tape.gradient(values, variable).numpy()

    np.testing.assert_allclose(values, oracle(multi_hot, logits, keep=1.0 - hidden, **options), **TOLERANCE)
    assert (gradient[hidden] == 0).all()
    assert np.isfinite(gradient).all()


def test_sparse_ids_become_one_hot():
    logits = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)

    values = sigmoid_cross_entropy([3, 0, 255], logits, ignore_label=255)

    np.testing.assert_allclose(values, [*oracle(np.eye(4)[[3, 0]], logits[:2]), 0.0], **TOLERANCE)


def test_unsigned_labels_do_not_wrap_the_ignore_label():
    labels = np.array([[255, 0]], np.uint8)  # soft labels make no sense here, but -1 must not match 255

    kept = sigmoid_cross_entropy(labels, [[0.0, 0.0]], ignore_label=-1).numpy()

    np.testing.assert_allclose(kept, sigmoid_cross_entropy(labels, [[0.0, 0.0]]))


def test_labels_of_one_class_may_lack_the_class_axis():
    logits = [[1.0], [-2.0], [0.5]]

    values = sigmoid_cross_entropy([1, 0, 1], logits)

    np.testing.assert_allclose(values, oracle([[1], [0], [1]], logits), **TOLERANCE)


@pytest.mark.parametrize("bad_id", [-1, 4])
def test_id_out_of_range_is_nan(bad_id):
    values = sigmoid_cross_entropy([0, bad_id], np.zeros((2, 4), np.float32)).numpy()

    assert np.isnan(values).tolist() == [False, True]


@pytest.mark.parametrize("scale", [20.0, 100.0, 1000.0, 1e30])
def test_saturated_logits_have_exact_values_and_finite_gradients(scale):
    logits = tf.constant([[scale, -scale, scale, -scale]])

    with tf.GradientTape() as tape:
        tape.watch(logits)
        value = sigmoid_cross_entropy([[1.0, 0.0, 0.0, 1.0]], logits, class_reduction="sum")
    gradient = tape.gradient(value, logits)

    np.testing.assert_allclose(value, [2 * scale], rtol=1e-6)
    np.testing.assert_allclose(gradient, [[0, 0, 1, -1]], atol=1e-6)


@pytest.mark.parametrize("from_logits", [True, False])
def test_gradient_equals_central_differences(from_logits):
    rng = np.random.default_rng(0)
    point = rng.normal(size=(3, 4)) if from_logits else rng.uniform(0.05, 0.95, (3, 4))
    labels = rng.uniform(size=(3, 4))
    step = 1e-6

    def total(predictions):
        return tf.reduce_sum(sigmoid_cross_entropy(labels, predictions, from_logits=from_logits, label_smoothing=0.1))

    tensor = tf.constant(point)
    with tf.GradientTape() as tape:
        tape.watch(tensor)
        value = total(tensor)
    gradient = tape.gradient(value, tensor).numpy()
    numeric = np.zeros_like(point)
    for index in np.ndindex(point.shape):
        up, down = point.copy(), point.copy()
        up[index] += step
        down[index] -= step
        numeric[index] = (total(tf.constant(up)) - total(tf.constant(down))) / (2 * step)

    np.testing.assert_allclose(gradient, numeric, atol=1e-8)


def test_probabilities_and_logits_agree():
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(size=(5, 3)), rng.integers(0, 2, (5, 3))

    values = sigmoid_cross_entropy(labels, tf.sigmoid(logits), from_logits=False)

    np.testing.assert_allclose(values, sigmoid_cross_entropy(labels, logits), rtol=1e-12)


def test_confidently_wrong_probabilities_are_pushed_back():
    probabilities = tf.constant([[0.0, 1.0]])

    with tf.GradientTape() as tape:
        tape.watch(probabilities)
        value = sigmoid_cross_entropy([[1.0, 0.0]], probabilities, from_logits=False)
    gradient = tape.gradient(value, probabilities).numpy()

    assert np.isfinite(value).all()
    assert np.isfinite(gradient).all()
    assert gradient[0, 0] < -1e3
    assert gradient[0, 1] > 1e3


def test_certain_right_probabilities_have_loss_zero():
    assert sigmoid_cross_entropy([[1.0, 0.0]], [[1.0, 0.0]], from_logits=False).numpy()[0] == 0.0


@pytest.mark.parametrize("dtype", [tf.float16, tf.bfloat16])
def test_low_precision_logits_are_computed_in_float32(dtype):
    logits = tf.cast([[3.0, -2.0, 0.5]], dtype)

    values = sigmoid_cross_entropy([[1, 0, 1]], logits)

    assert values.dtype == tf.float32
    np.testing.assert_allclose(values, oracle([[1, 0, 1]], tf.cast(logits, tf.float64).numpy()), **TOLERANCE)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_graph_and_xla_equal_eager(jit_compile):
    logits = tf.constant(np.random.default_rng(0).normal(size=(3, 3)), tf.float32)
    labels = tf.constant([[1, 0, -1], [0, 0, 1], [-1, -1, -1]])
    function = tf.function(lambda y, z: sigmoid_cross_entropy(y, z, ignore_label=-1), jit_compile=jit_compile)

    np.testing.assert_allclose(
        function(labels, logits), sigmoid_cross_entropy(labels, logits, ignore_label=-1), rtol=1e-6
    )


def test_unknown_class_reduction_is_refused():
    with pytest.raises(ValueError, match="class_reduction"):
        sigmoid_cross_entropy([[1.0]], [[1.0]], class_reduction="max")
