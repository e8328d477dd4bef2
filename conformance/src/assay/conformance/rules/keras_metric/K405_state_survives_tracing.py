"""K405 state-survives-tracing: reset, restore and result act on the variables that a traced update uses."""

from __future__ import annotations

from typing import Any

from assay.conformance.context import Context
from assay.conformance.harness import metrics
from assay.conformance.harness.metrics import updates
from assay.conformance.lazy import tf
from assay.conformance.model import Level, Mode, Rule, Target, Violation
from assay.conformance.specimens import DEVIATION, HIT_RATE, SoundDeviation, SoundHitRate

RULE = Rule(
    id="K405",
    slug="state-survives-tracing",
    level=Level.MUST,
    requirement="Reset, restore and result act on the very variables that an update traced before uses.",
    checks=(
        "Traces an update in a `tf.function`, calls it twice and reads after each; then resets, calls the traced "
        "update again and reads; then assigns the variables their values of before, calls it and reads. Each result "
        "must be that of eager calls."
    ),
    why=(
        "The evaluation loop is traced once and used for hundreds of epochs. A reset that makes new variables, or that "
        "puts a Python number in place of one, leaves the traced update counting where nobody reads: the metric "
        "freezes from the second epoch on."
    ),
    bad="""
def reset_state(self):
    self.total = tf.Variable(0.0)  # the traced update still adds to the old one
""",
    good="""
def reset_state(self):
    self.total.assign(0.0)
""",
    modes=(Mode.GRAPH,),
    targets=(Target.CPU, Target.GPU, Target.TPU),
)


def check(ctx: Context) -> None:
    """Reset and restore around a traced update."""
    first, second = metrics.contrasting(ctx, 4, 4)
    metric = metrics.fresh(ctx)
    function = updates.traced(metric, ctx.mode)
    metrics.update(ctx, metric, first, function=function)
    _compare(ctx, metric, [first], "after a traced update")
    metrics.update(ctx, metric, second, function=function)
    _compare(ctx, metric, [first, second], "after two traced updates, with the result read in between")
    metric.reset()
    metrics.update(ctx, metric, first, function=function)
    kept = metric.state()
    metric.reset()
    metrics.update(ctx, metric, second, function=function)
    _compare(ctx, metric, [second], "after a traced update, a reset and the traced update again")
    metric.reset()
    if len(metric.variables) == len(kept):
        metric.assign(kept)
        metrics.update(ctx, metric, second, function=function)
        _compare(ctx, metric, [first, second], "with its variables restored, after another traced update")
    metric.reset()
    metrics.update(ctx, metric, first)
    metrics.update(ctx, metric, second, function=function)
    _compare(ctx, metric, [first, second], "after a reset, an eager and a traced update")


def _compare(ctx: Context, metric: metrics.Metric, batches: list[Any], when: str) -> None:
    expected = metrics.evaluate(ctx.in_mode(Mode.EAGER), batches)
    differs = metrics.difference(ctx, metrics.result(ctx, metric), expected)
    if differs:
        raise Violation(
            f"{when}, {differs}, as with eager calls",
            cause="`reset_state` or `result` replaces a variable, or state is kept in Python while tracing",
            fix="Make variables once, in `__init__`, and use `assign` from then on.",
        )


class _MakesNewVariables(SoundDeviation):
    def reset_state(self) -> None:
        self.variables.clear()
        self.total, self.weight = self.add("total"), self.add("weight")


class _KeepsATensor(SoundHitRate):
    """Adds what is left of a Python number to the count; the trace keeps the first."""

    offset = 0.0

    def accumulate(self, values: Any, weights: Any) -> None:
        super().accumulate(values, weights + self.offset)

    def reset_state(self) -> None:
        super().reset_state()
        self.offset = 1.0 - self.offset

    def result(self) -> Any:
        weight = self.read(self.weight) / (1.0 + self.offset)
        return tf.cast(tf.math.divide_no_nan(self.read(self.total), weight), self.dtype)


class _RemembersTheResult(SoundDeviation):
    def __init__(self) -> None:
        super().__init__()
        self.remembered: Any = None

    def accumulate(self, values: Any, weights: Any) -> None:
        self.remembered = None
        super().accumulate(values, weights)

    def reset_state(self) -> None:
        super().reset_state()
        self.remembered = None

    def result(self) -> Any:
        if self.remembered is None:
            self.remembered = super().result()
        return self.remembered


MUTANTS = (
    DEVIATION.replace(factory=_MakesNewVariables, name="a reset makes new variables"),
    HIT_RATE.replace(factory=_KeepsATensor, name="a Python number is traced"),
    DEVIATION.replace(factory=_RemembersTheResult, name="remembers its result in Python"),
)
TWIN = HIT_RATE
