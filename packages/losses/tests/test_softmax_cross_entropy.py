"""Softmax cross-entropy against a NumPy float64 oracle, at its edges, and in its gradient."""

import numpy as np
import pytest
import tensorflow as tf
from assay.losses import softmax_cross_entropy
from hypothesis import given
from hypothesis import strategies as st

# float32 rounding of logits up to 10: a few units in the last place of the logsumexp.
TOLERANCE = {"rtol": 2e-6, "atol": 4e-6}


def oracle(targets, logits, *, label_smoothing=0.0, class_weights=None):
    """-weight * sum_k ((1 - s) q_k + s sum(q) / C) log p_k in float64."""
    targets, logits = np.asarray(targets, np.float64), np.asarray(logits, np.float64)
    shifted = logits - logits.max(-1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
    smooth = (1 - label_smoothing) * targets + label_smoothing * targets.sum(-1, keepdims=True) / logits.shape[-1]
    weights = 1.0 if class_weights is None else (targets * np.asarray(class_weights)).sum(-1)
    return -weights * (smooth * log_p).sum(-1)


def one_hot(ids, num_classes):
    return np.eye(num_classes)[np.asarray(ids)]


@st.composite
def batches(draw):
    shape = draw(st.sampled_from([(1,), (5,), (2, 3), (2, 2, 2)]))
    num_classes = draw(st.integers(2, 6))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    logits = (rng.normal(size=(*shape, num_classes)) * draw(st.sampled_from([0.1, 1, 10]))).astype(np.float32)
    ids = rng.integers(0, num_classes, size=shape)
    soft = rng.dirichlet(np.ones(num_classes), size=shape).astype(np.float32)
    options = {
        "label_smoothing": draw(st.sampled_from([0.0, 0.1, 1.0])),
        "class_weights": draw(st.sampled_from([None, list(rng.uniform(0, 3, num_classes).astype(np.float32))])),
    }
    return logits, ids, soft, options


@given(batches())
def test_sparse_labels_equal_the_oracle(batch):
    logits, ids, _, options = batch

    values = softmax_cross_entropy(ids, logits, **options)

    np.testing.assert_allclose(values, oracle(one_hot(ids, logits.shape[-1]), logits, **options), **TOLERANCE)


@given(batches())
def test_soft_labels_equal_the_oracle(batch):
    logits, _, soft, options = batch

    values = softmax_cross_entropy(soft, logits, **options)

    np.testing.assert_allclose(values, oracle(soft, logits, **options), **TOLERANCE)


@given(batches())
def test_sparse_and_one_hot_labels_agree(batch):
    logits, ids, _, options = batch

    sparse = softmax_cross_entropy(ids, logits, **options)
    dense = softmax_cross_entropy(one_hot(ids, logits.shape[-1]), logits, **options)

    np.testing.assert_allclose(sparse, dense, **TOLERANCE)


@given(batches())
def test_probabilities_and_logits_agree(batch):
    logits, ids, soft, options = batch
    probabilities = tf.nn.softmax(tf.cast(logits, tf.float64))

    for labels in (ids, soft):
        from_probabilities = softmax_cross_entropy(labels, probabilities, from_logits=False, **options)
        clipped = oracle(
            soft if labels is soft else one_hot(ids, logits.shape[-1]),
            np.log(np.maximum(probabilities, 1e-7)) if np.min(probabilities) > 1e-7 else logits,
            **options,
        )
        if np.min(probabilities) > 1e-7:
            np.testing.assert_allclose(from_probabilities, clipped, rtol=1e-6)
        else:
            assert np.all(from_probabilities <= clipped + 1e-6)


@pytest.mark.parametrize(
    "dtype", ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "float32", "float64"]
)
def test_ids_of_every_dtype_count_alike(dtype):
    logits = np.array([[1.0, 2.0, 3.0], [0.0, -1.0, 5.0]], np.float32)

    values = softmax_cross_entropy(np.array([2, 0], dtype), logits)

    np.testing.assert_allclose(values, oracle(one_hot([2, 0], 3), logits), **TOLERANCE)


def test_trailing_axis_of_ids_is_aligned():
    logits = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)

    values = softmax_cross_entropy([[0], [1], [2], [0]], logits)

    assert values.shape == (4,)
    np.testing.assert_allclose(values, softmax_cross_entropy([0, 1, 2, 0], logits))


def test_single_example_without_batch_axis():
    assert softmax_cross_entropy(1, [0.0, 0.0]).numpy() == pytest.approx(np.log(2))


@pytest.mark.parametrize(
    ("labels", "logits"),
    [
        ((3,), (1, 4)),
        ((1,), (3, 4)),
        ((4, 3), (4, 5)),
        ((1, 3), (4, 3)),
        ((4,), (4, 2, 3)),
        ((4, 1, 1), (4, 3)),
        ((3, 3, 1), (3, 2, 3)),
    ],
)
def test_shapes_that_do_not_fit_are_refused(labels, logits):
    with pytest.raises(ValueError, match="do not fit"):
        softmax_cross_entropy(np.zeros(labels, np.int32), np.zeros(logits, np.float32))


def test_shapes_that_do_not_fit_are_refused_when_known_at_run_time_only():
    loss = tf.function(
        softmax_cross_entropy,
        input_signature=[tf.TensorSpec([None, 3], tf.float32), tf.TensorSpec([None, 3], tf.float32)],
    )

    with pytest.raises(tf.errors.InvalidArgumentError):
        loss(tf.zeros([1, 3]), tf.zeros([4, 3]))


def test_one_class_is_refused():
    with pytest.raises(ValueError, match="one class is always certain"):
        softmax_cross_entropy([0, 0], [[0.3], [0.7]])


@pytest.mark.parametrize("dtype", [tf.float16, tf.bfloat16])
def test_low_precision_ids_are_refused(dtype):
    with pytest.raises(ValueError, match="cannot hold every id"):
        softmax_cross_entropy(tf.constant([1, 2], dtype), tf.zeros([2, 3]))


@pytest.mark.parametrize("dtype", [tf.float16, tf.bfloat16])
@pytest.mark.parametrize("true_id", [257, 2049, 70001])
def test_large_ids_stay_exact_with_low_precision_logits(dtype, true_id):
    logits = tf.cast(tf.one_hot([true_id], 70003) * 50.0, dtype)

    right = softmax_cross_entropy([true_id], logits)
    beside = softmax_cross_entropy([true_id - 1], logits)

    assert right.dtype == tf.float32
    assert right.numpy()[0] < 1e-6
    assert beside.numpy()[0] == pytest.approx(50.0)


@pytest.mark.parametrize("dtype", [tf.float16, tf.bfloat16, tf.float32])
def test_low_precision_logits_are_computed_in_float32(dtype):
    logits = tf.cast([[3.0, -2.0, 0.5], [100.0, 0.0, -100.0]], dtype)

    values = softmax_cross_entropy([1, 2], logits)

    assert values.dtype == tf.float32
    np.testing.assert_allclose(values, oracle(one_hot([1, 2], 3), tf.cast(logits, tf.float64).numpy()), **TOLERANCE)


def test_float64_logits_are_computed_in_float64():
    logits = np.random.default_rng(0).normal(size=(4, 3))

    values = softmax_cross_entropy([0, 1, 2, 0], logits, label_smoothing=0.1)

    assert values.dtype == tf.float64
    np.testing.assert_allclose(values, oracle(one_hot([0, 1, 2, 0], 3), logits, label_smoothing=0.1), rtol=1e-14)


@pytest.mark.parametrize("scale", [20.0, 50.0, 100.0, 1000.0, 1e30])
def test_saturated_logits_have_exact_values_and_finite_gradients(scale):
    logits = tf.constant([[scale, 0.0, -scale], [-scale, 0.0, scale]], tf.float32)

    for labels in ([0, 0], [[1.0, 0, 0], [1.0, 0, 0]]):
        with tf.GradientTape() as tape:
            tape.watch(logits)
            values = softmax_cross_entropy(labels, logits)
        gradient = tape.gradient(values, logits)

        np.testing.assert_allclose(values, oracle(one_hot([0, 0], 3), logits.numpy()), rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(gradient, [[0, 0, 0], [-1, 0, 1]], atol=1e-6)


def test_masked_out_class_is_no_nan():
    values = softmax_cross_entropy([[0.5, 0.5, 0.0]], [[0.0, 0.0, -np.inf]])

    np.testing.assert_allclose(values, [np.log(2)], rtol=1e-6)


@pytest.mark.parametrize("sparse", [True, False])
@pytest.mark.parametrize("from_logits", [True, False])
@pytest.mark.parametrize("label_smoothing", [0.0, 0.2])
def test_gradient_equals_central_differences(sparse, from_logits, label_smoothing):
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(3, 4))
    point = logits if from_logits else np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    labels = rng.integers(0, 4, 3) if sparse else rng.uniform(0, 1, (3, 4))  # rows that do not sum to 1
    step = 1e-6

    def total(predictions):
        return tf.reduce_sum(
            softmax_cross_entropy(
                labels,
                predictions,
                from_logits=from_logits,
                label_smoothing=label_smoothing,
                class_weights=[1.0, 0.5, 2.0, 0.0],
            )
        )

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


def test_confidently_wrong_probability_is_pushed_up():
    probabilities = tf.constant([[0.0, 1.0]])

    with tf.GradientTape() as tape:
        tape.watch(probabilities)
        value = softmax_cross_entropy([0], probabilities, from_logits=False)
    gradient = tape.gradient(value, probabilities).numpy()

    assert np.isfinite(gradient).all()
    assert gradient[0, 0] < -1e3


def test_certain_right_probability_has_loss_zero():
    assert softmax_cross_entropy([1], [[0.0, 1.0]], from_logits=False).numpy()[0] == 0.0


def test_labels_receive_no_gradient():
    labels, logits = tf.Variable([[0.3, 0.7]]), tf.Variable([[1.0, 2.0]])

    with tf.GradientTape() as tape:
        value = softmax_cross_entropy(labels, logits)
    of_labels, of_logits = tape.gradient(value, [labels, logits])

    assert of_labels is None
    assert of_logits is not None


def test_ignored_elements_change_neither_value_nor_gradient():
    logits = tf.Variable([[1.0, 2.0], [float("nan"), float("inf")], [0.5, -0.5]])

    with tf.GradientTape() as tape:
        values = softmax_cross_entropy([0, 255, 1], logits, ignore_label=255, label_smoothing=0.1)
    gradient = tape.gradient(values, logits).numpy()

    assert values.numpy()[1] == 0.0
    np.testing.assert_array_equal(gradient[1], [0, 0])
    assert np.isfinite(values).all()
    assert (gradient[[0, 2]] != 0).all()


@pytest.mark.parametrize("ignore_label", [-1, 0, 255])
@pytest.mark.parametrize("dtype", ["uint8", "int32"])
def test_ignore_label_may_be_any_integer(ignore_label, dtype):
    labels = np.array([0, 1, ignore_label % 256 if dtype == "uint8" else ignore_label]).astype(dtype)
    expected = (labels.astype(int) == ignore_label) * 1.0

    values = softmax_cross_entropy(labels, np.zeros((3, 256), np.float32), ignore_label=ignore_label)

    np.testing.assert_array_equal(values.numpy() == 0.0, expected == 1.0)


def test_ignore_label_with_dense_labels_is_refused():
    with pytest.raises(ValueError, match="names a sparse id"):
        softmax_cross_entropy([[1.0, 0.0]], [[0.1, 0.2]], ignore_label=255)


@pytest.mark.parametrize("jit_compile", [None, False, True])
@pytest.mark.parametrize("bad_id", [-1, 3, 2**31 - 1])
def test_id_out_of_range_is_nan_in_every_mode(jit_compile, bad_id):
    function = softmax_cross_entropy
    if jit_compile is not None:
        function = tf.function(softmax_cross_entropy, jit_compile=jit_compile)

    values = function(tf.constant([1, bad_id]), tf.zeros([2, 3])).numpy()

    assert values[0] == pytest.approx(np.log(3))
    assert np.isnan(values[1])


def test_fractional_id_is_nan():
    assert np.isnan(softmax_cross_entropy([0.5, 1.0], np.zeros((2, 3), np.float32)).numpy()).tolist() == [True, False]


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("labels", [[0, 2, 1], [[1.0, 0, 0], [0, 0, 1.0], [0, 0.5, 0.5]]])
def test_graph_and_xla_equal_eager(jit_compile, labels):
    logits = tf.constant(np.random.default_rng(0).normal(size=(3, 3)), tf.float32)
    options = {"label_smoothing": 0.1, "class_weights": [1.0, 2.0, 0.5]}

    compiled = tf.function(lambda y, z: softmax_cross_entropy(y, z, **options), jit_compile=jit_compile)

    np.testing.assert_allclose(
        compiled(tf.constant(labels), logits), softmax_cross_entropy(labels, logits, **options), rtol=1e-6
    )


def test_no_float64_in_the_graph():
    function = tf.function(lambda y, z: softmax_cross_entropy(y, z, label_smoothing=0.1, class_weights=[1.0, 2.0]))
    graph = function.get_concrete_function(tf.TensorSpec([None], tf.int64), tf.TensorSpec([None, 2], tf.bfloat16)).graph

    dtypes = {tensor.dtype for operation in graph.get_operations() for tensor in operation.outputs}

    assert tf.float64 not in dtypes
    assert tf.float32 in dtypes


@pytest.mark.parametrize("label_smoothing", [-0.1, 1.1])
def test_label_smoothing_out_of_range_is_refused(label_smoothing):
    with pytest.raises(ValueError, match="label_smoothing"):
        softmax_cross_entropy([0], [[0.0, 1.0]], label_smoothing=label_smoothing)


def test_wrong_number_of_class_weights_is_refused():
    with pytest.raises(ValueError, match=r"one number per class \(2 in the predictions\). Received 3"):
        softmax_cross_entropy([0], [[0.0, 1.0]], class_weights=[1.0, 2.0, 3.0])


def test_sizes_known_at_run_time_only_compile():
    loss = tf.function(
        softmax_cross_entropy,
        input_signature=[tf.TensorSpec([None], tf.int32), tf.TensorSpec([None, 3], tf.float32)],
        jit_compile=True,
    )

    np.testing.assert_allclose(loss(tf.constant([0, 1]), tf.zeros([2, 3])), np.log([3.0, 3.0]), rtol=1e-6)
