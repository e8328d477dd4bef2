"""The focal loss on sigmoids: against the paper's formula in float64, its gradient, and its edges."""

import numpy as np
import pytest
import tensorflow as tf
from assay.losses import SigmoidFocalLoss, sigmoid_cross_entropy, sigmoid_focal_loss
from hypothesis import given
from hypothesis import strategies as st
from loss_numerics import assert_gradient_is_numeric, sigmoid, value_and_gradient

TOLERANCE = {"rtol": 5e-6, "atol": 2e-6}
GAMMAS = (0.0, 0.3, 0.5, 1.0, 1.5, 2.0, 3.7)


def oracle(targets, logits, *, alpha=0.25, gamma=2.0, label_smoothing=0.0):
    """The sum over the classes in float64, factor by factor."""
    targets, logits = np.asarray(targets, np.float64), np.asarray(logits, np.float64)
    targets = (1 - label_smoothing) * targets + label_smoothing / 2
    p, wrong_p = sigmoid(logits), sigmoid(-logits)
    cross_entropy = targets * np.logaddexp(0, -logits) + (1 - targets) * np.logaddexp(0, logits)
    weight = 1.0 if alpha is None else targets * alpha + (1 - targets) * (1 - alpha)
    return (weight * (targets * wrong_p + (1 - targets) * p) ** gamma * cross_entropy).sum(-1)


@st.composite
def batches(draw):
    shape = draw(st.sampled_from([(1,), (5,), (2, 3)]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    num_classes = draw(st.integers(2, 5))
    logits = (rng.normal(size=(*shape, num_classes)) * draw(st.sampled_from([0.1, 1, 10]))).astype(np.float32)
    options = {
        "alpha": draw(st.sampled_from([None, 0.0, 0.25, 0.5, 1.0])),
        "gamma": draw(st.sampled_from(GAMMAS)),
        "label_smoothing": draw(st.sampled_from([0.0, 0.1])),
    }
    return logits, rng.integers(0, 2, size=logits.shape), options


@given(batches())
def test_targets_of_any_dtype_equal_the_oracle(batch):
    logits, targets, options = batch
    expected = oracle(targets, logits, **options)

    for dtype in (np.float32, np.int32, bool):
        values = sigmoid_focal_loss(targets.astype(dtype), logits, **options)
        np.testing.assert_allclose(values, expected, **TOLERANCE)


@given(batches(), st.integers(0, 2**32 - 1))
def test_soft_targets_equal_the_oracle(batch, seed):
    logits, targets, options = batch
    soft = np.random.default_rng(seed).uniform(size=targets.shape).astype(np.float32)

    np.testing.assert_allclose(
        sigmoid_focal_loss(soft, logits, **options), oracle(soft, logits, **options), **TOLERANCE
    )


def test_published_definition_for_one_anchor():
    # Lin et al., equation 5: -alpha_t (1 - p_t)^gamma log(p_t), worked out by hand for p = 0.9 and p = 0.2.
    logits = np.log([[0.9 / 0.1, 0.2 / 0.8]]).astype(np.float32)

    value = sigmoid_focal_loss([[1, 0]], logits, alpha=0.25, gamma=2.0)

    np.testing.assert_allclose(value, [0.25 * 0.1**2 * -np.log(0.9) + 0.75 * 0.2**2 * -np.log(0.8)], rtol=1e-5)


@pytest.mark.parametrize("gamma", GAMMAS)
def test_sparse_ids_background_and_ignored(gamma):
    logits = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    one_hot = np.zeros((4, 3))
    one_hot[0, 2] = one_hot[3, 0] = 1

    values = sigmoid_focal_loss([2, -1, -2, 0], logits, gamma=gamma, background_label=-1, ignore_label=-2)

    np.testing.assert_allclose(values, oracle(one_hot, logits, gamma=gamma) * [1, 1, 0, 1], **TOLERANCE)


@pytest.mark.parametrize("labels", [[[1, 0, 1]], [[1.0, 0.0, 1.0]]])
def test_gamma_zero_without_alpha_is_cross_entropy(labels):
    logits = [[30.0, -3.0, -12.5]]

    values = sigmoid_focal_loss(labels, logits, gamma=0.0, alpha=None)

    np.testing.assert_allclose(values, sigmoid_cross_entropy(labels, logits, class_reduction="sum"), rtol=1e-6)


@pytest.mark.parametrize("gamma", GAMMAS)
@pytest.mark.parametrize("labels", [np.eye(3)[[0, 2]], np.eye(3, dtype=np.int32)[[0, 2]], [[0.1, 0.9, 0.5]] * 2])
@pytest.mark.parametrize("from_logits", [True, False])
def test_gradient_equals_central_differences(gamma, labels, from_logits):
    rng = np.random.default_rng(0)
    point = rng.normal(size=(2, 3)) * 3 if from_logits else rng.uniform(0.05, 0.95, (2, 3))

    assert_gradient_is_numeric(
        lambda z: sigmoid_focal_loss(labels, z, gamma=gamma, alpha=0.3, from_logits=from_logits), point
    )


@pytest.mark.parametrize("gamma", GAMMAS)
@pytest.mark.parametrize("dtype", ["float32", "int32"])
@pytest.mark.parametrize("size", [20.0, 50.0, 100.0, 1000.0, 1e30])
def test_saturated_logits_have_exact_values_and_gradients(gamma, dtype, size):
    labels = np.array([[1, 0, 1, 0]], dtype)

    value, gradient = value_and_gradient(
        lambda z: sigmoid_focal_loss(labels, z, gamma=gamma, alpha=0.25), np.float32([[size, -size, -size, size]])
    )

    np.testing.assert_allclose(value, size, rtol=1e-5)
    np.testing.assert_allclose(gradient, [[0, 0, -0.25, 0.75]], atol=2e-6)


@pytest.mark.parametrize("gamma", GAMMAS)
@pytest.mark.parametrize("size", [20.0, 100.0, 1000.0])
@pytest.mark.parametrize("target", [0.0, 1e-6, 0.3, 1.0])
def test_gradient_is_finite_for_any_target(gamma, size, target):
    point = np.float32([[size, -size, 0.0, np.log(0.3 / 0.7)]])

    value, gradient = value_and_gradient(lambda z: sigmoid_focal_loss(np.full((1, 4), target), z, gamma=gamma), point)

    assert np.isfinite(value)
    assert np.isfinite(gradient).all()


@pytest.mark.parametrize("probability", [0.0, 1.0])
def test_certain_probabilities_are_finite_and_wrong_ones_pushed_back(probability):
    point = np.full((1, 1), probability, np.float32)

    value, gradient = value_and_gradient(
        lambda p: sigmoid_focal_loss([[1.0 - probability]], p, from_logits=False, alpha=None), point
    )

    assert 10 < value < 20
    assert (gradient[0, 0] < -1e3) == (probability == 0.0)
    assert np.isfinite(gradient).all()


def test_ignored_entries_have_neither_value_nor_gradient():
    labels = np.array([[1, -1, 0], [-1, -1, -1]])
    point = np.float32([[0.3, np.nan, -1.0], [np.inf, np.nan, 0.0]])

    value, gradient = value_and_gradient(lambda z: sigmoid_focal_loss(labels, z, ignore_label=-1), point)

    np.testing.assert_allclose(value, oracle([[1, 0]], [[0.3, -1.0]])[0], rtol=1e-5)
    assert (gradient[labels == -1] == 0).all()
    assert np.isfinite(gradient).all()


def test_mean_over_the_classes_counts_what_is_not_ignored():
    labels, logits = np.array([[1, -1, 0]]), np.float32([[0.3, 5.0, -1.0]])

    value = sigmoid_focal_loss(labels, logits, ignore_label=-1, class_reduction="mean")

    np.testing.assert_allclose(value, oracle([[1, 0]], [[0.3, -1.0]]) / 2, rtol=1e-5)


@pytest.mark.parametrize("jit_compile", [None, False, True])
def test_id_out_of_range_is_nan_in_every_mode(jit_compile):
    def call(ids):
        return sigmoid_focal_loss(ids, tf.zeros([4, 3]), background_label=-1)

    values = (call if jit_compile is None else tf.function(call, jit_compile=jit_compile))(tf.constant([2, -1, -2, 3]))

    assert np.isnan(values.numpy()).tolist() == [False, False, True, True]


@pytest.mark.parametrize(
    ("options", "word"),
    [({"gamma": -0.1}, "gamma"), ({"gamma": float("nan")}, "gamma"), ({"alpha": 1.5}, "alpha")],
)
def test_options_out_of_range_are_refused(options, word):
    with pytest.raises(ValueError, match=word):
        SigmoidFocalLoss(**options)


@pytest.mark.flavour
@pytest.mark.parametrize("dtype", [tf.float16, tf.bfloat16])
def test_low_precision_logits_are_computed_in_float32(dtype):
    logits = tf.cast([[3.0, -2.0, 0.5]], dtype)

    values = SigmoidFocalLoss(reduction="none")([[1, 0, 1]], logits)

    assert values.dtype == tf.float32
    np.testing.assert_allclose(values, oracle([[1, 0, 1]], tf.cast(logits, tf.float64).numpy()), **TOLERANCE)
