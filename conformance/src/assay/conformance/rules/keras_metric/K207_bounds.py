"""K207 bounds: the result stays within its declared bounds."""

from __future__ import annotations

from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness import metrics
from assay.conformance.harness.samples import perfect, sample_of, wrong
from assay.conformance.lazy import tf
from assay.conformance.model import Level, Mode, NotApplicable, Rule, Violation
from assay.conformance.specimens import HIT_RATE, IOU, SoundHitRate, SoundIoU

RULE = Rule(
    id="K207",
    slug="bounds",
    level=Level.MUST,
    requirement="Every number of the result lies within the bounds that the metric declares.",
    checks=(
        "Reads the result of a new metric, and after batches of one to nine examples with varied, perfect and wrong "
        "predictions, weighted where that is possible, and compares with the trait `bounds`."
    ),
    why=(
        "A share above one or below zero means that numerator and denominator count different things. It is found in a "
        "paper rather than in a test, when the mean looks plausible."
    ),
    bad="""
def result(self):
    return self.hits / self.batches  # hits are examples
""",
    good="""
def result(self):
    return self.hits / self.examples
""",
    modes=(Mode.EAGER,),
    traits=("bounds",),
)


def check(ctx: Context) -> None:
    """Look for a result outside the bounds."""
    bounds = ctx.trait("bounds")
    if bounds is None:
        raise NotApplicable("The subject declares no trait 'bounds'.")
    sample = sample_of(ctx)
    new = metrics.result_of_new(ctx)
    if new is not None:
        _within(ctx, new, bounds, "before any update")
    metric = metrics.fresh(ctx, steady=False)
    for size in (1, 3, 9):
        batch = sample.grow(size, seed=size)
        for what, one in (("varied", batch), ("perfect", perfect(batch)), ("wrong", wrong(batch))):
            if one is None:
                continue
            random = np.random.default_rng([ctx.seed, size])
            values = random.uniform(0.0, 3.0, size=size)
            weights = metrics.row_weights(ctx, one, values.tolist()) if metrics.takes_weights(ctx) else None
            alone = metrics.fresh(ctx, steady=False)
            for target in (alone, metric):
                metrics.update(ctx, target, one, weights)
                _within(ctx, metrics.result(ctx, target), bounds, f"after {size} examples with {what} predictions")


def _within(ctx: Context, found: metrics.Numbers, bounds: Any, when: str) -> None:
    low, high = (float(one) for one in bounds)
    room = ctx.tolerance("metrics").absolute
    for name, value in found.items():
        known = value[np.isfinite(value)]
        if known.size and (known.min() < low - room or known.max() > high + room):
            raise Violation(
                f"{when}, {name} is {metrics.shown(value)}, outside [{low:g}, {high:g}]",
                cause="numerator and denominator count different things, or weights enter only one of them",
                fix="Count both with the same weights and over the same examples.",
            )


class _CountsBatches(SoundHitRate):
    def accumulate(self, values: Any, weights: Any) -> None:
        self.total.assign_add(tf.reduce_sum(values))
        self.weight.assign_add(1.0)


class _ForgetsTheOverlap(SoundIoU):
    def average(self, ratios: Any, present: Any) -> Any:
        return 1.5 * super().average(ratios, present)


MUTANTS = (
    HIT_RATE.replace(factory=_CountsBatches, name="divides by batches"),
    IOU.replace(factory=_ForgetsTheOverlap, name="a ratio above one"),
)
TWIN = IOU
