"""K502 merge: merging metrics counts what all of them have counted, in any order."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from assay.conformance.context import Context
from assay.conformance.harness import metrics
from assay.conformance.harness.calls import calling, require
from assay.conformance.harness.samples import Batch
from assay.conformance.harness.searching import search
from assay.conformance.model import Level, Mode, Rule, SubjectError, Violation
from assay.conformance.specimens import DEVIATION, HIT_RATE, SoundDeviation, SoundHitRate

RULE = Rule(
    id="K502",
    slug="merge",
    level=Level.SHOULD,
    requirement="`merge_state` counts what all metrics have counted: associative, commutative, a new metric adds "
    "nothing.",
    checks=(
        "Where the metric offers `merge_state(metrics)`: updates three metrics with a batch each and merges them in "
        "two orders and in two groupings, with a new metric among them, and compares with one metric that saw all "
        "batches. The metrics that are merged in must stay as they are. Further orders and groupings of four metrics "
        "are drawn."
    ),
    why=(
        "Shards that are evaluated by different workers are merged at the end, in the order in which they finish. "
        "An assignment in place of an addition keeps the last shard only."
    ),
    bad="""
def merge_state(self, metrics):
    for metric in metrics:
        self.total.assign(metric.total)
""",
    good="""
def merge_state(self, metrics):
    for metric in metrics:
        self.total.assign_add(metric.total)
""",
    modes=(Mode.EAGER,),
    traits=("order_dependent",),
    references=("CLU: metrics.py",),
)


def check(ctx: Context) -> None:
    """Merge in several ways."""
    ctx.not_applicable_if("order_dependent")
    require(metrics.make_metric(ctx), "merge_state")
    batches = metrics.contrasting(ctx, 4, 3, 5)
    expected = metrics.evaluate(ctx, batches)
    one, two, three = (_fed(ctx, batch) for batch in batches)
    before = metrics.result(ctx, two)
    _merge(ctx, one, [two, three])
    _same(ctx, one, expected, "merging the second and the third into the first")
    _same(ctx, two, before, "a metric that was merged into another", "as before")
    one, two, three = (_fed(ctx, batch) for batch in batches)
    _merge(ctx, three, [two])
    _merge(ctx, one, [three])
    _same(ctx, one, expected, "merging the second into the third and that into the first")
    three, new = _fed(ctx, batches[2]), metrics.fresh(ctx)
    if len(new.variables) == len(three.variables):
        expected = metrics.result(ctx, three)
        _merge(ctx, three, [new])
        _same(ctx, three, expected, "merging a new metric")
        _merge(ctx, new, [three])
        _same(ctx, new, expected, "merging into a new metric")
    search(ctx, _pairings, lambda pairings: _examine(ctx, pairings), examples=5)


def _pairings() -> Any:
    from hypothesis import strategies as st

    return st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=4)


def _examine(ctx: Context, pairings: list[tuple[int, int]]) -> None:
    """Merge four metrics in pairs, and what is left into the first of them; each number is a place among those left."""
    batches = metrics.contrasting(ctx, 4, 3, 1, 5)
    left = [(number, _fed(ctx, batch)) for number, batch in enumerate(batches)]
    done = []
    for one, other in [*pairings, *[(0, 1)] * len(batches)]:
        one, other = one % len(left), other % len(left)
        if one == other:
            continue
        (into, metric), (merged, its_metric) = left[one], left[other]
        _merge(ctx, metric, [its_metric])
        done.append(f"{merged} into {into}")
        del left[other]
    _same(ctx, left[0][1], metrics.evaluate(ctx, batches), f"merging metric {', '.join(done)}")


def _fed(ctx: Context, batch: Batch) -> metrics.Metric:
    metric = metrics.fresh(ctx)
    metrics.update(ctx, metric, batch)
    return metric


def _merge(ctx: Context, metric: metrics.Metric, others: list[metrics.Metric]) -> None:
    try:
        with metrics.placed(ctx), calling("merge_state"):
            metric.metric.merge_state([other.metric for other in others])
    except SubjectError as error:
        if isinstance(error.original, NotImplementedError):
            require(object(), "merge_state")
        raise


def _same(
    ctx: Context, metric: metrics.Metric, expected: metrics.Numbers, what: str, like: str = "as one metric with all"
) -> None:
    differs = metrics.difference(ctx, metrics.result(ctx, metric), expected)
    if differs:
        raise Violation(
            f"after {what}, {differs}, {like}",
            cause="`merge_state` assigns instead of adding, leaves out a variable, or changes the other metric",
            fix="Add each variable of the others to the metric's own.",
        )


class _KeepsTheLast(SoundHitRate):
    def merge_state(self, metrics: Iterable[Any]) -> None:
        for other in metrics:
            self.total.assign(other.total)
            self.weight.assign(other.weight)


class _ForgetsTheCount(SoundDeviation):
    def merge_state(self, metrics: Iterable[Any]) -> None:
        for other in metrics:
            self.total.assign_add(other.total)


class _EmptiesTheOthers(SoundHitRate):
    def merge_state(self, metrics: Iterable[Any]) -> None:
        metrics = list(metrics)
        super().merge_state(metrics)
        for other in metrics:
            other.reset_state()


MUTANTS = (
    HIT_RATE.replace(factory=_KeepsTheLast, name="keeps the last"),
    DEVIATION.replace(factory=_ForgetsTheCount, name="forgets the count"),
    HIT_RATE.replace(factory=_EmptiesTheOthers, name="empties the others"),
)
TWIN = HIT_RATE
