"""K103 result-pure: reading the result changes nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness import metrics
from assay.conformance.model import Level, Mode, Rule, Target, Violation
from assay.conformance.specimens import DEVIATION, HIT_RATE, SoundDeviation, SoundHitRate

RULE = Rule(
    id="K103",
    slug="result-pure",
    level=Level.MUST,
    requirement="`result()` called twice gives the same, and changes no variable.",
    checks="Reads the result twice after an update, compares, and compares the variables before and after; then "
    "updates again and compares with a metric that was not read in between.",
    why=(
        "A progress bar, a summary and a checkpoint rule each read the same metric. One that counts its readings, or "
        "that resets when it is read, shows each of them another number."
    ),
    bad="""
def result(self):
    value = self.total / self.count
    self.reset_state()
    return value
""",
    good="""
def result(self):
    return self.total / self.count
""",
    modes=(Mode.EAGER,),
    targets=(Target.CPU, Target.GPU),
)


def check(ctx: Context) -> None:
    """Read twice."""
    first, second = metrics.contrasting(ctx, 4, 3)
    metric = metrics.fresh(ctx, steady=False)
    metrics.update(ctx, metric, first)
    before = metric.state()
    found = metrics.result(ctx, metric)
    after = metric.state()
    again = metrics.result(ctx, metric)
    differs = metrics.difference(ctx, again, found, quantity="exact")
    if differs:
        raise _violation(f"read a second time, {differs}, as at first")
    changed = [
        getattr(variable, "name", str(index))
        for index, variable in enumerate(metric.variables[: len(before)])
        if not np.array_equal(before[index], after[index], equal_nan=before[index].dtype.kind == "f")
    ]
    if changed or len(before) != len(after):
        raise _violation(f"reading the result changed the variables {changed}")
    metrics.update(ctx, metric, second)
    differs = metrics.difference(ctx, metrics.result(ctx, metric), metrics.evaluate(ctx, [first, second]))
    if differs:
        raise _violation(f"after an update, a reading and another update, {differs}, as without the reading")


def _violation(observed: str) -> Violation:
    return Violation(
        observed,
        cause="`result` assigns to a variable, resets, or moves a host-side counter",
        fix="Compute the result from the variables, and leave resetting to `reset_state`.",
    )


class _ResetsItself(SoundHitRate):
    def result(self) -> Any:
        value = super().result()
        self.reset_state()
        return value


class _CountsReadings(SoundDeviation):
    def result(self) -> Any:
        self.weight.assign_add(1.0)
        return super().result()


class _ForgetsOnTheHost(SoundHitRate):
    """Starts anew with the first update after a reading."""

    was_read = False

    def count(self, y_true: Any, y_pred: Any, weights: Any) -> None:
        if self.was_read:
            self.reset_state()
            self.was_read = False
        super().count(y_true, y_pred, weights)

    def result(self) -> Any:
        self.was_read = True
        return super().result()


MUTANTS = (
    HIT_RATE.replace(factory=_ResetsItself, name="resets when it is read"),
    DEVIATION.replace(factory=_CountsReadings, name="counts readings"),
    HIT_RATE.replace(factory=_ForgetsOnTheHost, name="starts anew after a reading"),
)
TWIN = HIT_RATE
