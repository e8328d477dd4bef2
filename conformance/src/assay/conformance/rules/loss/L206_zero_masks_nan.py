"""L206 zero-masks-nan: an example of weight zero may be NaN or infinite, and neither value nor gradient shows it."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness import losses
from assay.conformance.harness.samples import Batch, Domain, opposed, sample_of
from assay.conformance.lazy import tf
from assay.conformance.model import Level, Mode, NotApplicable, Rule, Target, Violation
from assay.conformance.specimens import CROSS_ENTROPY, HUBER_LOSS, SoundCrossEntropy, SoundHuber
from assay.conformance.specimens.loss import masked

RULE = Rule(
    id="L206",
    slug="zero-masks-nan",
    level=Level.MUST,
    requirement="Weight zero masks NaN and infinite predictions and labels: value and gradients are those without "
    "them.",
    checks=(
        "Gives some examples weight zero (two of five, and batches and weights that Hypothesis draws) and puts NaN, "
        "+inf and -inf into their predictions, and NaN into their labels where those are numbers. Where the unreduced "
        "values are values of single elements of the predictions (pixels, tokens), so do single elements. The reduced "
        "value must be what it is with ordinary numbers there, the gradients finite, and zero for what has weight "
        "zero."
    ),
    why=(
        "Padding and failed examples hold whatever was in memory, and a logarithm of zero in a masked pixel is "
        "normal. Zero times NaN is NaN: the one masked element ends the training run. Masking the *result* is not "
        "enough, because the gradient of what was masked is zero times infinity."
    ),
    bad="""
losses = loss_fn(y_true, y_pred) * weights  # 0 * NaN
""",
    good="""
safe = tf.where(weights[:, None] > 0, y_pred, tf.zeros_like(y_pred))  # before the formula
losses = loss_fn(y_true, safe) * weights
""",
    modes=(Mode.EAGER,),
    targets=(Target.CPU, Target.GPU, Target.TPU),
    traits=("mixes_examples",),
    references=("keras-team/keras#592", "google/jax#1052: the double where"),
)

_WEIGHTS = losses.Weighting((0.5, 0.0, 2.0, 0.0, 1.25))
_PROBED = 8
_POISONS = (("y_pred", np.nan), ("y_pred", np.inf), ("y_pred", -np.inf), ("y_true", np.nan))


@dataclasses.dataclass(frozen=True)
class _Case:
    """A batch of a size, its weights, and what is put where they are zero."""

    size: int
    weighting: losses.Weighting
    side: str
    poison: float

    def __str__(self) -> str:
        where = "elements" if self.weighting.elementwise else "examples"
        return f"{self.poison} in {self.side} of the {where} of weight zero ({self.weighting})"


def check(ctx: Context) -> None:
    """Compare what is poisoned and has weight zero with ordinary numbers there."""
    losses.require_weights(ctx)
    losses.require_independent_examples(ctx)
    sample = sample_of(ctx)
    if all(leaf.domain is Domain.FIXED for leaf in sample.layout.predictions):
        raise NotApplicable("No predictions are floating-point numbers.")
    elements = _has_elements(ctx)

    def cases() -> Any:
        from hypothesis import strategies

        rows = losses.some_zero().map(lambda weights: (len(weights), losses.Weighting(weights)))
        both = strategies.tuples(
            strategies.integers(1, 3), losses.some_zero().map(lambda weights: losses.Weighting(weights, True))
        )
        weights = strategies.one_of(rows, both) if elements else rows
        pairs = strategies.tuples(weights, strategies.sampled_from(_POISONS))
        return pairs.map(lambda pair: _Case(pair[0][0], pair[0][1], pair[1][0], pair[1][1]))

    plain = [_Case(len(_WEIGHTS.numbers), _WEIGHTS, side, poison) for side, poison in _POISONS]
    losses.explore(ctx, plain, cases, lambda case: _examine(ctx, case))


def _has_elements(ctx: Context) -> bool:
    """Whether the unreduced values are those of single elements of the predictions, each on its own."""
    if not losses.has_reduction(ctx, losses.NONE):
        return False
    batch = sample_of(ctx).grow(2)
    values = losses.unreduced(ctx, batch)
    if values.ndim < 2 or any(array.shape[: values.ndim] != values.shape for array in batch.predictions):
        return False
    others = batch.map_predictions(opposed).predictions
    position = np.arange(values.size).reshape(values.shape)
    # Each of some elements alone, then every second one: what is chosen among many shows only when enough is changed.
    for changed in (*(position == index for index in range(min(values.size, _PROBED))), position % 2 == 0):
        arrays = [array.copy() for array in batch.predictions]
        for array, other in zip(arrays, others, strict=True):
            array[changed] = other[changed]
        found = losses.unreduced(ctx, batch.with_predictions(arrays))
        if not ctx.tolerance("coupling").allows(found[~changed], values[~changed]):
            return False
    return True


def _examine(ctx: Context, case: _Case) -> None:
    batch = sample_of(ctx).grow(case.size)
    shape = losses.row_weights(ctx, batch, [1.0] * batch.size).shape
    weights = case.weighting.array(shape)
    masked_out = weights == 0
    poisoned = _poison(batch, case, masked_out)
    if poisoned is None:
        return
    loss = losses.summed(ctx)
    expected, found = losses.gradient(ctx, loss, batch, weights), losses.gradient(ctx, loss, poisoned, weights)
    if not ctx.tolerance("loss").allows(found.value, expected.value):
        raise Violation(
            f"with {case} the loss is {np.ravel(found.value)[:3].tolist()}; with ordinary numbers there it is "
            f"{np.ravel(expected.value)[:3].tolist()}",
            cause="the weight multiplies a value that is not finite, and zero times NaN is NaN",
            fix="Replace what has weight zero by a harmless number before the formula: `tf.where(weights > 0, y_pred, "
            "0)`.",
        )
    for array in found.gradients:
        if array is None:
            continue
        bad = int(np.sum(~np.isfinite(array)))
        leak = np.abs(array[_where(array, masked_out)]).max(initial=0.0)
        if bad or leak > 0:
            raise Violation(
                f"with {case} {bad} of {array.size} gradients are not finite"
                if bad
                else f"with {case} their gradients reach {leak:.3g}",
                cause="the value is masked after the formula, whose derivative there is infinite or NaN",
                fix="Mask the inputs before the formula as well (the double `tf.where`).",
            )


def _where(array: np.ndarray, masked_out: np.ndarray) -> np.ndarray:
    """Where an array belongs to weights of zero: at the very elements, or at rows that are zero throughout."""
    if array.shape[: masked_out.ndim] == masked_out.shape:
        return masked_out
    return np.all(masked_out.reshape(len(masked_out), -1), axis=-1)


def _poison(batch: Batch, case: _Case, masked_out: np.ndarray) -> Batch | None:
    leaves, arrays = (
        (batch.layout.predictions, batch.predictions) if case.side == "y_pred" else (batch.layout.truth, batch.truth)
    )
    changed, any_changed = [], False
    for leaf, array in zip(leaves, arrays, strict=True):
        poisonable = leaf.batched and leaf.domain not in (Domain.FIXED, Domain.CLASS_IDS) and array.dtype.kind == "f"
        copy = array.copy()
        if poisonable:
            where = _where(array, masked_out)
            copy[where] = case.poison
            any_changed = any_changed or bool(np.any(where))
        changed.append(copy)
    if not any_changed:
        return None
    return batch.with_predictions(changed) if case.side == "y_pred" else batch.with_truth(changed)


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
