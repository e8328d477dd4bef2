"""L206 zero-masks-nan: an example of weight zero may be NaN or infinite, and neither value nor gradient shows it."""

from __future__ import annotations

from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness import losses
from assay.conformance.harness.samples import Batch, Domain, sample_of
from assay.conformance.lazy import tf
from assay.conformance.model import Level, Mode, NotApplicable, Rule, Violation
from assay.conformance.specimens import CROSS_ENTROPY, HUBER_LOSS, SoundCrossEntropy, SoundHuber
from assay.conformance.specimens.loss import masked

RULE = Rule(
    id="L206",
    slug="zero-masks-nan",
    level=Level.MUST,
    requirement="Weight zero masks NaN and infinite predictions and labels: value and gradients are those without "
    "them.",
    checks=(
        "Gives two of five examples weight zero and puts NaN, +inf and -inf into their predictions, and NaN into their "
        "labels where those are numbers. The reduced value must be what it is with ordinary numbers there, the "
        "gradients "
        "finite, and zero for the two examples."
    ),
    why=(
        "Padding and failed examples hold whatever was in memory, and a logarithm of zero in a masked pixel is normal. "
        "Zero times NaN is NaN: the one masked element ends the training run. Masking the *result* is not enough, "
        "because the gradient of what was masked is zero times infinity."
    ),
    bad="""
losses = loss_fn(y_true, y_pred) * weights  # 0 * NaN
""",
    good="""
safe = tf.where(weights[:, None] > 0, y_pred, tf.zeros_like(y_pred))  # before the formula
losses = loss_fn(y_true, safe) * weights
""",
    modes=(Mode.EAGER,),
    traits=("mixes_examples",),
    references=("keras-team/keras#592", "google/jax#1052: the double where"),
)

POISONED = (1, 3)
ROWS = 5
_WEIGHTS = (0.5, 0.0, 2.0, 0.0, 1.25)


def check(ctx: Context) -> None:
    """Compare poisoned rows of weight zero with ordinary ones."""
    losses.require_weights(ctx)
    losses.require_independent_examples(ctx)
    sample = sample_of(ctx)
    if all(leaf.domain is Domain.FIXED for leaf in sample.layout.predictions):
        raise NotApplicable("No predictions are floating-point numbers.")
    batch = sample.grow(ROWS)
    loss, weights = losses.summed(ctx), losses.row_weights(ctx, batch, _WEIGHTS)
    expected = losses.gradient(ctx, loss, batch, weights)
    for side, poison in (("y_pred", np.nan), ("y_pred", np.inf), ("y_pred", -np.inf), ("y_true", np.nan)):
        poisoned = _poison(batch, side, poison)
        if poisoned is not None:
            _compare(ctx, f"{poison} in {side}", losses.gradient(ctx, loss, poisoned, weights), expected)


def _compare(ctx: Context, what: str, found: losses.Gradient, expected: losses.Gradient) -> None:
    if not ctx.tolerance("loss").allows(found.value, expected.value):
        raise Violation(
            f"with {what} of two examples of weight zero the loss is {np.ravel(found.value)[:3].tolist()}; with "
            "ordinary "
            f"numbers there it is {np.ravel(expected.value)[:3].tolist()}",
            cause="the weight multiplies a value that is not finite, and zero times NaN is NaN",
            fix="Replace what has weight zero by a harmless number before the formula: `tf.where(weights > 0, y_pred, "
            "0)`.",
        )
    for array in found.gradients:
        if array is None:
            continue
        bad = int(np.sum(~np.isfinite(array)))
        leak = np.abs(array[list(POISONED)]).max(initial=0.0)
        if bad or leak > 0:
            raise Violation(
                f"with {what} of two examples of weight zero, {bad} of {array.size} gradients are not finite"
                if bad
                else f"with {what} of two examples of weight zero, their gradients reach {leak:.3g}",
                cause="the value is masked after the formula, whose derivative there is infinite or NaN",
                fix="Mask the inputs before the formula as well (the double `tf.where`).",
            )


def _poison(batch: Batch, side: str, poison: float) -> Batch | None:
    leaves, arrays = (
        (batch.layout.predictions, batch.predictions) if side == "y_pred" else (batch.layout.truth, batch.truth)
    )
    changed, any_changed = [], False
    for leaf, array in zip(leaves, arrays, strict=True):
        poisonable = leaf.batched and leaf.domain not in (Domain.FIXED, Domain.CLASS_IDS) and array.dtype.kind == "f"
        copy = array.copy()
        if poisonable:
            copy[list(POISONED)] = poison
            any_changed = True
        changed.append(copy)
    if not any_changed:
        return None
    return batch.with_predictions(changed) if side == "y_pred" else batch.with_truth(changed)


class _OnlyMultiplies(SoundCrossEntropy):
    def mask_inputs(self, y_true: Any, y_pred: Any, weights: Any) -> tuple[Any, Any]:
        return y_true, y_pred


class _MasksTheResult(SoundHuber):
    def mask_inputs(self, y_true: Any, y_pred: Any, weights: Any) -> tuple[Any, Any]:
        return y_true, y_pred

    def weigh(self, losses: Any, weights: Any) -> Any:
        return losses if weights is None else masked(losses, weights) * weights


class _ForgetsTheLabels(SoundHuber):
    def mask_inputs(self, y_true: Any, y_pred: Any, weights: Any) -> tuple[Any, Any]:
        return y_true, tf.where(tf.not_equal(weights, 0.0)[:, tf.newaxis], y_pred, tf.zeros_like(y_pred))


MUTANTS = (
    CROSS_ENTROPY.replace(factory=_OnlyMultiplies, name="only multiplies"),
    HUBER_LOSS.replace(factory=_MasksTheResult, name="masks the result only"),
    HUBER_LOSS.replace(factory=_ForgetsTheLabels, name="forgets the labels"),
)
TWIN = HUBER_LOSS
