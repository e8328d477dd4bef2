"""K403 reset-is-fresh: after a reset the metric behaves as a new one."""

from __future__ import annotations

from typing import Any

from assay.conformance.context import Context
from assay.conformance.harness import metrics
from assay.conformance.model import Level, Mode, Rule, Violation
from assay.conformance.specimens import DEVIATION, HIT_RATE, IOU, SoundDeviation, SoundHitRate, SoundIoU

RULE = Rule(
    id="K403",
    slug="reset-is-fresh",
    level=Level.MUST,
    requirement="After `reset_state()` the metric behaves as a new one, whatever it was fed before.",
    checks=(
        "Updates, reads and resets, and compares the result, and the results of later updates, with those of a new "
        "metric; twice over."
    ),
    why=(
        "Training loops reset all metrics at the start of each interval. What survives, a count that only one of two "
        "variables loses, a host-side list, a metric inside the metric, leaks from epoch to epoch."
    ),
    bad="""
def reset_state(self):
    self.total.assign(0.0)  # and self.count?
""",
    good="""
def reset_state(self):
    for variable in self.variables:
        variable.assign(tf.zeros_like(variable))
""",
    modes=(Mode.EAGER,),
    references=("keras-team/keras#22836",),
)


def check(ctx: Context) -> None:
    """Compare a metric that was reset with a new one."""
    first, second = metrics.contrasting(ctx, 4, 3)
    new = metrics.result_of_new(ctx)
    expected = metrics.evaluate(ctx, [second])
    metric = metrics.fresh(ctx)
    for turn in range(2):
        metrics.update(ctx, metric, first)
        metrics.result(ctx, metric)
        metric.reset()
        differs = "" if new is None else metrics.difference(ctx, metrics.result(ctx, metric), new)
        if differs:
            raise _violation(f"after reset number {turn + 1}, {differs}, as of a new metric")
        metrics.update(ctx, metric, second)
        differs = metrics.difference(ctx, metrics.result(ctx, metric), expected)
        if differs:
            raise _violation(f"after reset number {turn + 1} and an update, {differs}, as of a new metric")
        metric.reset()


def _violation(observed: str) -> Violation:
    return Violation(
        observed,
        cause="`reset_state` leaves out a variable, a metric inside the metric, or state kept in Python",
        fix="Reset everything that `update_state` changes: assign the initial value to each variable.",
    )


class _LeavesTheCount(SoundDeviation):
    def reset_state(self) -> None:
        self.total.assign(0.0)


class _ResetsToOne(SoundIoU):
    def reset_state(self) -> None:
        super().reset_state()
        self.confusion.assign_add(1.0 + 0.0 * self.confusion)


class _KeepsAList(SoundHitRate):
    def __init__(self) -> None:
        super().__init__()
        self.kept: list[Any] = []

    def accumulate(self, values: Any, weights: Any) -> None:
        self.kept.append(weights)
        super().accumulate(values, weights * len(self.kept))

    def result(self) -> Any:
        return super().result() / max(len(self.kept), 1)


class _DoesNothing(SoundHitRate):
    def reset_state(self) -> None:
        pass


MUTANTS = (
    DEVIATION.replace(factory=_LeavesTheCount, name="leaves the count"),
    IOU.replace(factory=_ResetsToOne, name="resets to another state"),
    HIT_RATE.replace(factory=_KeepsAList, name="keeps a list"),
    HIT_RATE.replace(factory=_DoesNothing, name="does not reset"),
)
TWIN = IOU
