"""K208 direction-true: perfect predictions give the declared best value."""

from __future__ import annotations

from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness import metrics
from assay.conformance.harness.samples import perfect, sample_of, wrong
from assay.conformance.lazy import tf
from assay.conformance.model import Level, Mode, NotApplicable, Rule, Violation
from assay.conformance.specimens import DEVIATION, HIT_RATE, SoundDeviation, SoundHitRate

RULE = Rule(
    id="K208",
    slug="direction-true",
    level=Level.MUST,
    requirement="Perfect predictions give the declared best value, and wrong ones another.",
    checks=(
        "Makes the predictions that the labels call for and compares the result with the trait `best`; then wrong "
        "predictions, whose result must differ. Lifted where the suite cannot tell what is perfect."
    ),
    why=(
        "The best checkpoint is chosen by this number. A metric that runs the other way, or that cannot reach its "
        "best, keeps the worst model."
    ),
    bad="""
hits = tf.equal(labels, tf.argmin(scores, axis=-1))
""",
    good="""
hits = tf.equal(labels, tf.argmax(scores, axis=-1))
""",
    modes=(Mode.EAGER,),
    traits=("best",),
    references=("torchmetrics: higher_is_better",),
)


def check(ctx: Context) -> None:
    """Compare perfect predictions with the best value."""
    best = ctx.trait("best")
    if best is None:
        raise NotApplicable("The subject declares no trait 'best'.")
    batch = sample_of(ctx).grow(sample_of(ctx).batch.size)
    right, other = perfect(batch), wrong(batch)
    if right is None or other is None:
        raise NotApplicable("What predictions are perfect for these labels cannot be told.")
    for name, value in metrics.evaluate(ctx, [right]).items():
        if not metrics.agrees(ctx, value, np.full(value.shape, float(best))):
            raise _violation(f"with perfect predictions {name} is {metrics.shown(value)}, and the best is {best:g}")
    for name, value in metrics.evaluate(ctx, [other]).items():
        if metrics.agrees(ctx, value, np.full(value.shape, float(best))):
            raise _violation(f"with predictions that are all wrong {name} is {metrics.shown(value)}, which is the best")


def _violation(observed: str) -> Violation:
    return Violation(
        observed,
        cause="the comparison runs the other way, or a constant keeps the result from its best",
        fix="Compare perfect and wrong predictions by hand, or correct the trait 'best'.",
    )


class _CountsTheLowest(SoundHitRate):
    def values(self, y_true: Any, y_pred: Any) -> Any:
        return super().values(y_true, -y_pred)


class _AddsAMargin(SoundDeviation):
    def values(self, y_true: Any, y_pred: Any) -> Any:
        return super().values(y_true, y_pred) + 0.1


class _AlwaysRight(SoundHitRate):
    def values(self, y_true: Any, y_pred: Any) -> Any:
        return tf.ones_like(super().values(y_true, y_pred))


MUTANTS = (
    HIT_RATE.replace(factory=_CountsTheLowest, name="counts the lowest score"),
    DEVIATION.replace(factory=_AddsAMargin, name="never reaches its best"),
    HIT_RATE.replace(factory=_AlwaysRight, name="is always right"),
)
TWIN = HIT_RATE
