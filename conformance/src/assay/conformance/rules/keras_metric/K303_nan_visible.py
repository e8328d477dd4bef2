"""K303 nan-visible: a NaN prediction that counts shows in the result, and a reset clears it."""

from __future__ import annotations

from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness import metrics
from assay.conformance.harness.samples import Batch, Domain, perfect, sample_of, wrong
from assay.conformance.lazy import tf
from assay.conformance.model import Level, Mode, NotApplicable, Rule, SubjectError, Violation
from assay.conformance.specimens import DEVIATION, HIT_RATE, SoundDeviation, SoundHitRate

RULE = Rule(
    id="K303",
    slug="nan-visible",
    level=Level.MUST,
    requirement="A NaN prediction that counts makes the result NaN or worse, or is documented; a reset clears it.",
    checks=(
        "Makes one row of perfect predictions NaN, each row in turn: the result must be NaN, or differ from that of "
        "perfect predictions (the row counts as a miss), or the update must refuse, or the docstring of the class or "
        "of `result` must speak of NaN. A row whose wrong prediction does not show either is left out. Then resets, "
        "and compares with a new metric."
    ),
    why=(
        "A model that has diverged predicts NaN. A metric that leaves NaN out, or takes the first class for it, goes "
        "on reporting a plausible number. And a state that stays NaN after a reset reports nothing for the rest of "
        "the run."
    ),
    bad="""
values = tf.where(tf.math.is_nan(values), 0.0, values)  # a perfect error
""",
    good="""
hits = tf.logical_and(hits, tf.reduce_all(tf.math.is_finite(scores), axis=-1))
""",
    modes=(Mode.EAGER,),
    references=("the array API's special cases",),
)

ROWS = 4


def check(ctx: Context) -> None:
    """Poison rows, one at a time."""
    batch = sample_of(ctx).grow(ROWS)
    if all(leaf.domain is Domain.FIXED or not leaf.batched for leaf in batch.layout.predictions):
        raise NotApplicable("No prediction is a floating-point number of a known domain.")
    right, mistaken = perfect(batch), wrong(batch)
    base = right or batch
    clean = metrics.evaluate(ctx, [base])
    for row in range(ROWS):
        metric = metrics.fresh(ctx)
        try:
            metrics.update(ctx, metric, _poisoned(base, row))
            found = metrics.result(ctx, metric)
        except SubjectError:
            return  # refused, which shows
        hidden = not _shows(ctx, found, clean) and not metrics.documents_nan(metric.metric)
        if hidden and right and mistaken and _matters(ctx, right, mistaken, row, clean):
            raise Violation(
                f"with NaN for the prediction of example {row}, the result is that of perfect predictions",
                cause="NaN is left out, or an argmax or a comparison takes it for an answer",
                fix="Count a row with NaN as wrong, let it make the result NaN, or document what it does.",
            )
        metric.reset()
        metrics.update(ctx, metric, base)
        differs = metrics.difference(ctx, metrics.result(ctx, metric), clean)
        if differs:
            raise Violation(
                f"after NaN, a reset and an update without NaN, {differs}",
                cause="the reset multiplies by zero or subtracts, and NaN stays NaN",
                fix="Assign zeros in `reset_state`.",
            )


def _shows(ctx: Context, found: metrics.Numbers, clean: metrics.Numbers) -> bool:
    return any(not np.all(np.isfinite(value)) for value in found.values()) or bool(
        metrics.difference(ctx, found, clean)
    )


def _matters(ctx: Context, right: Batch, mistaken: Batch, row: int, clean: metrics.Numbers) -> bool:
    """Whether a wrong prediction of an example shows: true positives do not look at the negatives."""
    pairs = zip(right.predictions, mistaken.predictions, right.layout.predictions, strict=True)
    arrays = []
    for array, other, leaf in pairs:
        changed = array.copy()
        if leaf.batched:
            changed[row] = other[row]
        arrays.append(changed)
    return bool(metrics.difference(ctx, metrics.evaluate(ctx, [right.with_predictions(arrays)]), clean))


def _poisoned(batch: Batch, row: int) -> Batch:
    def poison(leaf: Any, array: np.ndarray) -> np.ndarray:
        array = array.copy()
        if leaf.domain is not Domain.FIXED and leaf.batched:
            array[row] = np.nan
        return array

    return batch.map_predictions(poison)


class _HidesNan(SoundDeviation):
    def values(self, y_true: Any, y_pred: Any) -> Any:
        values = super().values(y_true, y_pred)
        return tf.where(tf.math.is_nan(values), tf.zeros_like(values), values)


class _TakesTheFirstClass(SoundHitRate):
    def values(self, y_true: Any, y_pred: Any) -> Any:
        known = tf.where(tf.math.is_nan(y_pred), tf.zeros_like(y_pred), y_pred)
        return super().values(y_true, known)


class _StaysNan(SoundDeviation):
    def reset_state(self) -> None:
        for variable in self.variables:
            variable.assign(variable * 0.0)


MUTANTS = (
    DEVIATION.replace(factory=_HidesNan, name="puts zero for NaN"),
    HIT_RATE.replace(factory=_TakesTheFirstClass, name="takes the first class for NaN"),
    DEVIATION.replace(factory=_StaysNan, name="stays NaN after a reset"),
)
TWIN = DEVIATION
