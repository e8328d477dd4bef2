"""Distillation and contrastive losses: against loops in float64, at saturated inputs, and in their gradients."""

import numpy as np
import pytest
import tensorflow as tf
from assay.losses import (
    DistillationLoss,
    SupervisedContrastiveLoss,
    distillation_loss,
    softmax_cross_entropy,
    supervised_contrastive_loss,
)
from hypothesis import given
from hypothesis import strategies as st
from loss_numerics import assert_gradient_is_numeric, log_softmax, softmax, value_and_gradient


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.5, 1.0, 4.0]))
def test_distillation_equals_the_divergence(seed, temperature):
    teacher, student = np.random.default_rng(seed).normal(size=(2, 3, 5)).astype(np.float32) * 3
    log_q, log_p = log_softmax(teacher / temperature), log_softmax(student / temperature)

    values = distillation_loss(teacher, student, temperature=temperature)

    expected = temperature**2 * (np.exp(log_q) * (log_q - log_p)).sum(-1)
    np.testing.assert_allclose(values, expected, rtol=1e-4, atol=1e-5)


def test_distillation_from_a_sure_teacher_is_cross_entropy():
    student = np.float32([[0.3, -1.0, 2.0]])

    np.testing.assert_allclose(
        distillation_loss([[-np.inf, 0.0, -np.inf]], student), softmax_cross_entropy([1], student), rtol=1e-6
    )


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_distillation_gradient_is_the_difference_of_distributions(temperature):
    teacher, student = np.random.default_rng(0).normal(size=(2, 3, 4))

    value, gradient = value_and_gradient(lambda z: distillation_loss(teacher, z, temperature=temperature), student)

    assert value > 0
    expected = temperature * (softmax(student / temperature) - softmax(teacher / temperature))
    np.testing.assert_allclose(gradient, expected, rtol=1e-9)


@pytest.mark.parametrize("size", [20.0, 1000.0, 1e30])
def test_distillation_is_exact_at_saturated_logits(size):
    value, gradient = value_and_gradient(
        lambda z: distillation_loss(np.float32([[size, 0], [size, 0]]), z), np.float32([[0, size], [size, 0]])
    )

    np.testing.assert_allclose(value, size, rtol=1e-6)
    np.testing.assert_allclose(gradient, [[-1, 1], [0, 0]], atol=1e-6)


def test_teacher_receives_no_gradient():
    teacher, student = tf.Variable([[0.3, 0.7]]), tf.Variable([[1.0, 2.0]])

    with tf.GradientTape() as tape:
        value = DistillationLoss()(teacher, student)

    assert tape.gradient(value, teacher) is None


@pytest.mark.parametrize("shape", [(2, 4), (1, 3), (2, 1)])
def test_teacher_of_another_shape_is_refused(shape):
    with pytest.raises(ValueError, match="one shape"):
        distillation_loss(np.zeros(shape, np.float32), np.zeros((2, 3), np.float32))


def contrastive_oracle(ids, embeddings, temperature):
    """Khosla et al., equation 2, with loops; 0 for an anchor without a positive."""
    vectors = np.asarray(embeddings, np.float64)
    vectors = vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
    values = []
    for i, anchor in enumerate(vectors):
        others = [a for a in range(len(ids)) if a != i]
        positives = [p for p in others if ids[p] == ids[i]]
        total = np.log(sum(np.exp(anchor @ vectors[a] / temperature) for a in others)) if others else 0.0
        terms = [total - anchor @ vectors[p] / temperature for p in positives]
        values.append(np.mean(terms) if terms else 0.0)
    return np.array(values)


@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.sampled_from([0.05, 0.5]))
def test_contrastive_equals_the_oracle(seed, size, temperature):
    rng = np.random.default_rng(seed)
    ids, embeddings = rng.integers(0, 3, size), rng.normal(size=(size, 4)).astype(np.float32)

    values = supervised_contrastive_loss(ids, embeddings, temperature=temperature)

    np.testing.assert_allclose(values, contrastive_oracle(ids, embeddings, temperature), rtol=1e-4, atol=2e-5)


def test_contrastive_mean_counts_anchors_with_a_positive():
    embeddings = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)

    value = SupervisedContrastiveLoss(temperature=0.5)([0, 1, 0, 2], embeddings)

    np.testing.assert_allclose(value, contrastive_oracle([0, 1, 0, 2], embeddings, 0.5).sum() / 2, rtol=1e-5)


def test_contrastive_example_of_weight_zero_that_is_not_finite_is_no_company():
    embeddings = np.random.default_rng(1).normal(size=(5, 3)).astype(np.float32)
    ids, weights = np.array([0, 0, 1, 0, 1]), np.float32([1, 1, 1, 0, 1])
    poisoned = embeddings.copy()
    poisoned[3] = np.nan
    loss = SupervisedContrastiveLoss(temperature=0.5, reduction="sum")

    value, gradient = value_and_gradient(lambda z: loss(ids, z, weights), poisoned)

    keep = weights > 0
    np.testing.assert_allclose(value, contrastive_oracle(ids[keep], embeddings[keep], 0.5).sum(), rtol=1e-5)
    np.testing.assert_array_equal(gradient[3], 0)
    assert np.isfinite(gradient).all()


def test_contrastive_weights_multiply_the_values_of_anchors():
    embeddings = np.random.default_rng(1).normal(size=(5, 3)).astype(np.float32)
    ids, weights = np.array([0, 0, 1, 0, 1]), np.float32([1, 0.5, 2, 0, 1])

    values = SupervisedContrastiveLoss(temperature=0.5, reduction="none")(ids, embeddings, weights)

    np.testing.assert_allclose(values, contrastive_oracle(ids, embeddings, 0.5) * weights, rtol=1e-4, atol=1e-5)


def test_contrastive_gradient_equals_central_differences():
    point = np.random.default_rng(2).normal(size=(4, 3))

    assert_gradient_is_numeric(lambda z: supervised_contrastive_loss([0, 1, 0, 1], z, temperature=0.5), point)


@pytest.mark.parametrize("embeddings", [np.zeros((3, 2)), np.ones((3, 2)) * 1e18, np.eye(3, 2)])
def test_contrastive_gradient_is_finite_for_degenerate_embeddings(embeddings):
    value, gradient = value_and_gradient(
        lambda z: supervised_contrastive_loss([0, 0, 1], z, temperature=0.01), embeddings.astype(np.float32)
    )

    assert np.isfinite(value)
    assert np.isfinite(gradient).all()


@pytest.mark.parametrize(("ids", "embeddings"), [((3, 3), (3, 2)), ((2,), (3, 2)), ((3,), (3, 2, 2))])
def test_contrastive_shapes_that_do_not_fit_are_refused(ids, embeddings):
    with pytest.raises(ValueError, match="embeddings"):
        supervised_contrastive_loss(np.zeros(ids, np.int32), np.zeros(embeddings, np.float32))


@pytest.mark.parametrize("loss_class", [DistillationLoss, SupervisedContrastiveLoss])
def test_temperature_of_zero_is_refused(loss_class):
    with pytest.raises(ValueError, match="temperature"):
        loss_class(temperature=0.0)
