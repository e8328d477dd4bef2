"""The focal loss on a softmax: against its formula in float64, its gradient, and its edges."""

import numpy as np
import pytest
import tensorflow as tf
from assay.losses import SoftmaxFocalLoss, softmax_cross_entropy, softmax_focal_loss
from hypothesis import given
from hypothesis import strategies as st
from loss_numerics import assert_gradient_is_numeric, log_softmax, value_and_gradient

TOLERANCE = {"rtol": 1e-5, "atol": 2e-6}
GAMMAS = (0.0, 0.3, 1.0, 1.5, 2.0, 3.7)


def oracle(targets, logits, *, gamma=2.0, alpha=None, label_smoothing=0.0):
    """The sum over the classes in float64."""
    targets, log_p = np.asarray(targets, np.float64), log_softmax(logits)
    targets = (1 - label_smoothing) * targets + label_smoothing * targets.mean(-1, keepdims=True)
    factor = 1.0 if alpha is None else np.asarray(alpha)
    return (factor * targets * (-np.expm1(log_p)) ** gamma * -log_p).sum(-1)


@st.composite
def batches(draw):
    shape = draw(st.sampled_from([(1,), (5,), (2, 3)]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    num_classes = draw(st.integers(2, 5))
    logits = (rng.normal(size=(*shape, num_classes)) * draw(st.sampled_from([0.1, 1, 10]))).astype(np.float32)
    options = {
        "alpha": draw(st.sampled_from([None, 0.25, list(rng.uniform(0, 2, num_classes))])),
        "gamma": draw(st.sampled_from(GAMMAS)),
        "label_smoothing": draw(st.sampled_from([0.0, 0.1])),
    }
    return logits, rng.integers(0, num_classes, size=shape), rng.dirichlet(np.ones(num_classes), size=shape), options


@given(batches())
def test_ids_one_hot_and_soft_labels_equal_the_oracle(batch):
    logits, ids, soft, options = batch
    one_hot = np.eye(logits.shape[-1])[ids]
    expected = oracle(one_hot, logits, **options)

    np.testing.assert_allclose(softmax_focal_loss(ids, logits, **options), expected, **TOLERANCE)
    np.testing.assert_allclose(softmax_focal_loss(one_hot, logits, **options), expected, **TOLERANCE)
    np.testing.assert_allclose(
        softmax_focal_loss(soft, logits, **options), oracle(soft, logits, **options), **TOLERANCE
    )


def test_gamma_zero_is_cross_entropy():
    logits = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)

    np.testing.assert_allclose(
        softmax_focal_loss([0, 1, 2, 0], logits, gamma=0.0), softmax_cross_entropy([0, 1, 2, 0], logits), rtol=1e-6
    )


@pytest.mark.parametrize("gamma", GAMMAS)
@pytest.mark.parametrize("labels", [[0, 2], np.eye(3)[[0, 2]], [[0.1, 0.8, 0.1]] * 2])
@pytest.mark.parametrize("from_logits", [True, False])
def test_gradient_equals_central_differences(gamma, labels, from_logits):
    rng = np.random.default_rng(0)
    point = rng.normal(size=(2, 3)) * 2 if from_logits else rng.uniform(0.05, 0.9, (2, 3))

    assert_gradient_is_numeric(
        lambda z: softmax_focal_loss(labels, z, gamma=gamma, label_smoothing=0.1, from_logits=from_logits), point
    )


@pytest.mark.parametrize("gamma", GAMMAS)
@pytest.mark.parametrize("size", [20.0, 100.0, 1000.0, 1e30])
@pytest.mark.parametrize("dense", [False, True])
def test_saturated_logits_have_exact_values_and_gradients(gamma, size, dense):
    labels = np.eye(2)[[0, 0]] if dense else [0, 0]

    value, gradient = value_and_gradient(
        lambda z: softmax_focal_loss(labels, z, gamma=gamma), np.float32([[size, 0.0], [0.0, size]])
    )

    np.testing.assert_allclose(value, size, rtol=1e-5)
    np.testing.assert_allclose(gradient, [[0, 0], [-1, 1]], atol=1e-5)


def test_masked_class_of_infinite_logit_changes_nothing():
    values = softmax_focal_loss([[0.0, 1.0, 0.0]], [[0.0, 1.0, -np.inf]])

    np.testing.assert_allclose(values, softmax_focal_loss([1], [[0.0, 1.0]]), rtol=1e-6)


def test_certain_wrong_probability_is_pushed_back():
    value, gradient = value_and_gradient(
        lambda p: softmax_focal_loss([0], p, from_logits=False), np.float32([[0.0, 1.0]])
    )

    assert 10 < value < 20
    assert gradient[0, 0] < -1e3


def test_ignored_elements_have_neither_value_nor_gradient():
    point = np.float32([[1.0, 2.0], [np.nan, np.inf]])

    value, gradient = value_and_gradient(lambda z: softmax_focal_loss([0, 255], z, ignore_label=255), point)

    np.testing.assert_allclose(value, softmax_focal_loss([0], point[:1])[0], rtol=1e-6)
    np.testing.assert_array_equal(gradient[1], [0, 0])


def test_ignore_label_with_dense_labels_is_refused():
    with pytest.raises(ValueError, match="names a sparse id"):
        softmax_focal_loss([[1.0, 0.0]], [[0.1, 0.2]], ignore_label=255)


@pytest.mark.flavour
def test_object_equals_function_and_config_keeps_the_factors():
    loss = SoftmaxFocalLoss(gamma=1.5, alpha=(1.0, 0.5, 2.0), reduction="none")
    logits = tf.constant(np.random.default_rng(0).normal(size=(2, 3)), tf.float32)

    assert loss.get_config()["alpha"] == [1.0, 0.5, 2.0]
    np.testing.assert_array_equal(
        loss([0, 2], logits), softmax_focal_loss([0, 2], logits, gamma=1.5, alpha=[1.0, 0.5, 2.0])
    )
