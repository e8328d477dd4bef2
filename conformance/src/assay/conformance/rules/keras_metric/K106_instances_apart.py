"""K106 instances-apart: two metrics of one class know nothing of each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from assay.conformance.context import Context
from assay.conformance.harness import metrics
from assay.conformance.harness.samples import Batch, sample_of
from assay.conformance.model import Level, Mode, NotApplicable, Rule, Violation
from assay.conformance.specimens import DEVIATION, HIT_RATE, SoundDeviation, SoundHitRate

RULE = Rule(
    id="K106",
    slug="instances-apart",
    level=Level.MUST,
    requirement="Two instances share no state: an update or a reset of one leaves the other as it is.",
    checks=(
        "Makes two metrics, updates one and reads the other, which must be as new; updates the other and resets the "
        "first, and the other must keep its result."
    ),
    why=(
        "A task has one instance for training and one for validation, and their numbers are compared. Variables kept "
        "on the class, or in a default argument, mix the two."
    ),
    bad="""
class HitRate(tf.keras.metrics.Metric):
    seen = []  # one list for all instances
""",
    good="""
class HitRate(tf.keras.metrics.Metric):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.total = self.add_weight(name="total", initializer="zeros")
""",
    modes=(Mode.EAGER,),
)


def check(ctx: Context) -> None:
    """Update one, read the other."""
    first, second = _batches(ctx)
    new = metrics.result_of_new(ctx)
    one, other = metrics.fresh(ctx, steady=False), metrics.fresh(ctx, steady=False)
    metrics.update(ctx, one, first)
    if new is not None:
        differs = metrics.difference(ctx, metrics.result(ctx, other), new, quantity="exact")
        if differs:
            raise _violation(f"after an update of another instance {differs}, as of a new metric")
    metrics.update(ctx, other, second)
    before = metrics.result(ctx, other)
    metrics.update(ctx, one, first)
    differs = metrics.difference(ctx, metrics.result(ctx, other), before, quantity="exact")
    if differs:
        raise _violation(f"after an update of another instance {differs}, as before")
    one.reset()
    differs = metrics.difference(ctx, metrics.result(ctx, other), before, quantity="exact")
    if differs:
        raise _violation(f"after a reset of another instance {differs}, as before")


def _batches(ctx: Context) -> Sequence[Batch]:
    """Two batches that the metric tells apart; any two when its instances do not even repeat."""
    try:
        return metrics.contrasting(ctx, 4, 3)
    except NotApplicable:
        return sample_of(ctx).grow(4), sample_of(ctx).grow(3, seed=2)


def _violation(observed: str) -> Violation:
    return Violation(
        observed,
        cause="state is kept on the class, in a default argument or in the module",
        fix="Make the variables in `__init__`, as attributes of `self`.",
    )


class _KeepsOnTheClass(SoundHitRate):
    seen: list[Any] = []  # noqa: RUF012 - the mistake

    def __init__(self) -> None:
        super().__init__()
        self.seen.clear()

    def count(self, y_true: Any, y_pred: Any, weights: Any) -> None:
        super().count(y_true, y_pred, weights)
        self.seen.append(1)

    def result(self) -> Any:
        return super().result() * len(self.seen)


class _SharesADefault(SoundDeviation):
    def __init__(self, counters: dict[str, Any] = {}) -> None:  # noqa: B006 - the mistake
        super().__init__()
        if counters:
            self.total, self.weight = counters["total"], counters["weight"]
            self.variables = [self.total, self.weight]
            self.reset_state()
        counters.update(total=self.total, weight=self.weight)


MUTANTS = (
    HIT_RATE.replace(factory=_KeepsOnTheClass, name="a list on the class"),
    DEVIATION.replace(factory=_SharesADefault, name="variables in a default argument"),
)
TWIN = HIT_RATE
