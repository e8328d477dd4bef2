"""L301 gradient-numeric: the gradient is that of the value, by central differences."""

from __future__ import annotations

from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness import losses
from assay.conformance.harness.samples import Batch, Domain, sample_of
from assay.conformance.lazy import tf
from assay.conformance.model import Level, Mode, NotApplicable, Rule, Violation
from assay.conformance.specimens import CROSS_ENTROPY, HUBER_LOSS, SoundCrossEntropy, SoundHuber

RULE = Rule(
    id="L301",
    slug="gradient-numeric",
    level=Level.MUST,
    requirement="The gradient with respect to the predictions is the derivative of the value.",
    checks=(
        "Moves the predictions of three examples along random directions, by steps of two sizes, and compares the "
        "central "
        "differences of the loss with what the gradient says of that direction. Where the two steps disagree (a kink, "
        "or "
        "rounding), the direction is left out. Rows of probabilities move within their simplex, unit vectors on their "
        "sphere."
    ),
    why=(
        "A custom gradient, a `stop_gradient` too many or a rounding in the middle leaves the value right and the "
        "training wrong: the loss is logged as it should be, and the optimizer follows something else."
    ),
    bad="""
weights = tf.stop_gradient(tf.abs(y_pred - y_true))  # meant as a weight, and half the gradient is gone
return weights * tf.abs(y_pred - y_true)
""",
    good="""
return tf.square(y_pred - y_true)
""",
    modes=(Mode.EAGER,),
    traits=("stopped_gradient",),
    references=("google-deepmind/chex: assert_numerical_grads", "torchmetrics: gradcheck"),
)

ROWS = 3
DIRECTIONS = 6
STEPS = (1e-2, 5e-3)


def check(ctx: Context) -> None:
    """Compare directional derivatives."""
    ctx.not_applicable_if("stopped_gradient")
    sample = sample_of(ctx)
    if any(leaf.domain in (Domain.FIXED, Domain.PAIRS, Domain.BOXES) for leaf in sample.layout.predictions):
        raise NotApplicable("The predictions cannot be moved a little in every direction within their domain.")
    loss = losses.summed(ctx)
    batch = sample.grow(ROWS)
    exact = losses.gradient(ctx, loss, batch)
    if any(gradient is None for gradient in exact.gradients):
        raise NotApplicable("Some predictions have no gradient at all (see L303).")
    random = np.random.default_rng(ctx.seed)
    smooth, wrong = 0, []
    for _ in range(DIRECTIONS):
        moves = [
            _direction(leaf.domain, array, random)
            for leaf, array in zip(batch.layout.predictions, batch.predictions, strict=True)
        ]
        coarse, fine = (_difference(ctx, loss, batch, moves, step) for step in STEPS)
        products = (np.sum(g * move) for g, move in zip(exact.gradients, moves, strict=True) if g is not None)
        said = float(sum(products))
        if not ctx.tolerance("differences").allows(coarse, fine):
            continue
        smooth += 1
        best = fine + (fine - coarse) / 3  # Richardson: the error of the second order cancels
        if not ctx.tolerance("gradient").allows(said, best):
            wrong.append((said, best))
    if not smooth:
        raise NotApplicable("Central differences of two step sizes disagree everywhere: the loss is not smooth here.")
    # A kink between the two steps may pass the comparison once; a wrong gradient is wrong nearly everywhere.
    if 2 * len(wrong) > smooth:
        said, best = wrong[0]
        raise Violation(
            f"in {len(wrong)} of {smooth} directions the gradient is wrong: it says {said:.6g} where the value changes "
            "by "
            f"{best:.6g} a unit ({batch.describe()})",
            cause="a `stop_gradient`, a custom gradient, a cast to integers or a detached normaliser cuts part of it",
            fix="Compare your formula with what is differentiated; if a part is cut on purpose, declare "
            "'stopped_gradient'.",
        )


def _difference(ctx: Context, loss: losses.LossComponent, batch: Batch, moves: list[np.ndarray], step: float) -> float:
    """The central difference along a direction, with the float32 step that was really taken."""
    sides = []
    for sign in (1.0, -1.0):
        arrays = [
            _kept(leaf.domain, array.astype(np.float64) + sign * step * move)
            for leaf, array, move in zip(batch.layout.predictions, batch.predictions, moves, strict=True)
        ]
        sides.append(float(np.sum(losses.value(ctx, loss, batch.with_predictions(arrays)))))
    return (sides[0] - sides[1]) / (2 * step)


def _direction(domain: Domain, array: np.ndarray, random: np.random.Generator) -> np.ndarray:
    move = random.normal(size=array.shape)
    values = array.astype(np.float64)
    if domain is Domain.SIMPLEX:
        move = values * (move - np.sum(values * move, axis=-1, keepdims=True))  # stays positive and adds up to one
    elif domain is Domain.PROBABILITIES:
        move = move * values * (1 - values)
    elif domain is Domain.POSITIVE:
        move = move * values
    elif domain is Domain.UNIT_VECTORS:
        move = move - values * np.sum(values * move, axis=-1, keepdims=True)
    norm = float(np.linalg.norm(move))
    return move / norm if norm else move


def _kept(domain: Domain, values: np.ndarray) -> np.ndarray:
    if domain is Domain.UNIT_VECTORS:
        return values / np.maximum(np.linalg.norm(values, axis=-1, keepdims=True), 1e-12)
    return values


class _DetachedWeight(SoundHuber):
    def call(self, y_true: Any, y_pred: Any) -> Any:
        error = tf.abs(y_pred - y_true)
        return tf.reduce_mean(tf.stop_gradient(error) * error, axis=-1)


class _HalfGradient(SoundCrossEntropy):
    def values(self, labels: Any, y_pred: Any) -> Any:
        @tf.custom_gradient
        def halved(logits: Any) -> Any:
            return logits, lambda upstream: 0.5 * upstream

        return super().values(labels, halved(y_pred))


class _DetachedNormaliser(SoundCrossEntropy):
    def values(self, labels: Any, y_pred: Any) -> Any:
        normaliser = tf.stop_gradient(tf.reduce_logsumexp(y_pred, axis=-1))
        return normaliser - tf.gather(y_pred, labels, axis=-1, batch_dims=1)


MUTANTS = (
    HUBER_LOSS.replace(factory=_DetachedWeight, name="detaches a weight"),
    CROSS_ENTROPY.replace(factory=_HalfGradient, name="halves the gradient"),
    CROSS_ENTROPY.replace(factory=_DetachedNormaliser, name="detaches the normaliser"),
)
TWIN = CROSS_ENTROPY
