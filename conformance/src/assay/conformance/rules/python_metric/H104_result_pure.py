"""H104 result-pure: asking for the result changes nothing, and only a reset forgets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness import host_metrics
from assay.conformance.harness.calls import calling
from assay.conformance.harness.searching import search
from assay.conformance.model import Level, Mode, Rule, Violation
from assay.conformance.specimens import ACCURACY_METRIC, DETECTION_METRIC, SoundAccuracy, SoundDetectionMetric

RULE = Rule(
    id="H104",
    slug="result-pure",
    level=Level.MUST,
    requirement="`result()` is repeatable and changes nothing; `reset_state()` alone forgets, and forgets everything.",
    checks=(
        "Calls `result()` twice, feeds two metrics in turn, resets and feeds again, and then runs random sequences of "
        "updates, results and resets, comparing each result with that of a new metric fed with the same batches. With "
        "the trait `result_resets`, a result must forget everything, as the trait says."
    ),
    why=(
        "A result is asked for more than once: by the logger, by the best-checkpoint comparison, by a callback that "
        "reports in the middle of an evaluation. When asking clears the state, the second caller gets the score of "
        "nothing; when resetting leaves something, each evaluation contains the one before, and scores drift upwards "
        "over a run. State on the class makes the training and the validation metric one."
    ),
    bad="""
class Recall:
    counts = {"hits": 0, "total": 0}  # one dict for all instances

    def result(self):
        value = self.counts["hits"] / self.counts["total"]
        self.counts = {"hits": 0, "total": 0}  # the second caller divides by zero
        return value
""",
    good="""
class Recall:
    def __init__(self):
        self.reset_state()

    def reset_state(self):
        self.hits = self.total = 0

    def result(self):
        return self.hits / self.total if self.total else -1.0
""",
    modes=(Mode.EAGER,),
    traits=("result_resets", "random_result"),
    references=("tensorflow/models: COCOEvaluator.result() evaluates and resets",),
)

PARTS = 3
SEQUENCES = 20


def check(ctx: Context) -> None:
    """Try the plain cases, then random sequences."""
    ctx.not_applicable_if("random_result")
    examples = host_metrics.examples_of(ctx)
    layout = host_metrics.sample_of(ctx).layout
    parts = [host_metrics.join(layout, examples[number::PARTS]) for number in range(PARTS)]
    runs = _Runs(ctx, parts)
    _check_twice(ctx, runs)
    _check_apart(ctx, runs)
    _check_reset(ctx, runs)
    _check_sequence(ctx, runs, ("update", "result", "update"))
    search(ctx, _sequences, lambda sequence: _check_sequence(ctx, runs, sequence), examples=SEQUENCES)


class _Runs:
    """New metrics fed with some of the parts, each combination once: what every other metric is compared with."""

    def __init__(self, ctx: Context, parts: Sequence[Any]) -> None:
        self.ctx, self.parts = ctx, parts
        self.known: dict[tuple[int, ...], host_metrics.Outcome] = {}

    def expected(self, numbers: Sequence[int]) -> host_metrics.Outcome:
        key = tuple(numbers)
        if key not in self.known:
            metric = host_metrics.make_metric(self.ctx)
            self.feed(metric, key)
            self.known[key] = host_metrics.outcome_of(metric)
        return self.known[key]

    def feed(self, metric: Any, numbers: Sequence[int]) -> None:
        for number in numbers:
            with host_metrics.seeded(self.ctx.seed + number):
                for batch in self.parts[number]:
                    host_metrics.update(self.ctx, metric, batch, f"part {number + 1} of the sample")


def _check_twice(ctx: Context, runs: _Runs) -> None:
    metric = host_metrics.make_metric(ctx)
    runs.feed(metric, [0])
    first, second = host_metrics.outcome_of(metric), host_metrics.outcome_of(metric, "a second result()")
    if ctx.trait("result_resets"):
        difference = second.difference(runs.expected([]), ctx.tolerance("metrics"))
        if difference:
            raise Violation(
                f"a second result() differs from that of a new metric: {difference}",
                cause="the trait 'result_resets' is declared, and result() does not reset, or not everything",
                fix="Remove the trait, or call the same code as `reset_state()` at the end of `result()`.",
            )
        return
    difference = second.difference(first, ctx.tolerance("metrics"))
    if difference:
        resets = not second.difference(runs.expected([]), ctx.tolerance("metrics"))
        raise Violation(
            f"a second result() differs from the first: {difference}",
            cause="result() resets the metric" if resets else "result() changes the state, or draws random numbers",
            fix="Reset only in `reset_state()`; where callers count on it, declare the trait result_resets=True."
            if resets
            else "Compute the result from a copy of the state; declare random_result=True where chance is meant.",
        )


def _check_apart(ctx: Context, runs: _Runs) -> None:
    one, other = host_metrics.make_metric(ctx), host_metrics.make_metric(ctx)
    for number, metric in ((0, one), (1, other), (2, one)):
        runs.feed(metric, [number])
    for metric, numbers in ((one, (0, 2)), (other, (1,))):
        difference = host_metrics.outcome_of(metric).difference(runs.expected(numbers), ctx.tolerance("metrics"))
        if difference:
            raise Violation(
                f"with two metrics fed in turn, one of them says other than it does alone: {difference}",
                cause="the state is on the class or in the module, and all instances share it",
                fix="Make the state in `__init__`, as attributes of the instance.",
            )


def _check_reset(ctx: Context, runs: _Runs) -> None:
    metric = host_metrics.make_metric(ctx)
    reset = host_metrics.reset_of(metric)
    if reset is None:
        if ctx.trait("result_resets"):
            return
        raise Violation(
            "the metric has neither reset_state() nor reset_states()",
            cause="a new metric is made for each evaluation, and the loop keeps one",
            fix="Add `reset_state()`, which makes the metric as it was when new.",
        )
    runs.feed(metric, [0, 1])
    with calling("reset_state()"), host_metrics.quietly():
        reset()
    for numbers in ((), (2,)):
        runs.feed(metric, numbers)
        difference = host_metrics.outcome_of(metric).difference(runs.expected(numbers), ctx.tolerance("metrics"))
        if difference:
            fed = "a part of the sample" if numbers else "nothing"
            raise Violation(
                f"after a reset and {fed}, the result differs from that of a new metric: {difference}",
                cause="reset_state() leaves a part of the state as it was",
                fix="Set every attribute that update_state changes in `reset_state()`, and call it from `__init__`.",
            )


def _sequences() -> Any:
    from hypothesis import strategies as st

    return st.lists(st.sampled_from(["update", "update", "result", "reset"]), min_size=3, max_size=9)


def _check_sequence(ctx: Context, runs: _Runs, sequence: Sequence[str]) -> None:
    """Run a sequence, each part at most once between two resets, and compare every result."""
    metric = host_metrics.make_metric(ctx)
    reset = host_metrics.reset_of(metric)
    fed: list[int] = []
    free = list(range(PARTS))
    for at, step in enumerate([*sequence, "result"]):
        if step == "update" and free:
            fed.append(free.pop(0))
            runs.feed(metric, fed[-1:])
        elif step == "reset" and reset is not None:
            with calling("reset_state()"), host_metrics.quietly():
                reset()
            fed, free = [], list(range(PARTS))
        elif step == "result":
            difference = host_metrics.outcome_of(metric).difference(runs.expected(fed), ctx.tolerance("metrics"))
            if difference:
                done = ", ".join([*sequence, "result"][: at + 1])
                raise Violation(
                    f"after {done}, the result differs from that of a new metric with the same batches: {difference}",
                    cause="a result, or a reset, leaves a trace in the state, or all instances share the state",
                    fix="Keep all state in attributes that `reset_state()` sets; change none of them in `result()`.",
                )
            if ctx.trait("result_resets"):
                fed, free = [], list(range(PARTS))


class _ResetsInResult(SoundDetectionMetric):
    def result(self) -> dict[str, Any]:
        numbers = super().result()
        self.reset_state()
        return numbers


class _KeepsOnReset(SoundDetectionMetric):
    def __init__(self) -> None:
        super().__init__()
        self.images = 0

    def add(self, source_id: int, scene: Any) -> None:
        self.images += source_id not in self.scenes
        super().add(source_id, scene)

    def result(self) -> dict[str, Any]:
        return super().result() | {"images": self.images}  # reset_state knows nothing of it


class _SharedState(SoundDetectionMetric):
    everything: ClassVar[dict[int, Any]] = {}

    def __init__(self) -> None:
        self.scenes = self.everything

    def reset_state(self) -> None:
        self.scenes.clear()


class _NormalisesInPlace(SoundAccuracy):
    def result(self) -> dict[str, float]:
        self.matrix = self.matrix / max(self.matrix.sum(), 1)
        return super().result() | {"entropy": float(-(self.matrix * np.log(self.matrix + 1.0)).sum())}


class _RemembersTheBest(SoundDetectionMetric):
    """Right in every plain case: only a result, a reset and another result show it."""

    best = -1.0

    def result(self) -> dict[str, Any]:
        numbers = super().result()
        if self.best > numbers["AP"] and numbers["AP"] >= 0:
            numbers["AP"] = self.best
        self.best = max(self.best, numbers["AP"])
        return numbers


class _Bootstrap(SoundAccuracy):
    def result(self) -> dict[str, float]:
        noise = np.random.default_rng().normal()
        return super().result() | {"upper": float(noise)}


MUTANTS = (
    DETECTION_METRIC.replace(factory=_ResetsInResult, name="result resets"),
    DETECTION_METRIC.replace(factory=_KeepsOnReset, name="a counter that no reset clears"),
    DETECTION_METRIC.replace(factory=_SharedState, name="state on the class"),
    DETECTION_METRIC.replace(factory=_RemembersTheBest, name="remembers the best result"),
    ACCURACY_METRIC.replace(factory=_NormalisesInPlace, traits={}, name="normalises its counts in result"),
    ACCURACY_METRIC.replace(factory=_Bootstrap, traits={}, name="draws random numbers in result"),
)
TWIN = DETECTION_METRIC
