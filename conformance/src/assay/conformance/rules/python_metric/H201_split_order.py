"""H201 split-order: how the examples are cut into batches, and in which order they come, changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness import host_metrics
from assay.conformance.harness.searching import search
from assay.conformance.model import Level, Mode, Rule, Violation
from assay.conformance.specimens import ACCURACY_METRIC, DETECTION_METRIC, SoundAccuracy, SoundDetectionMetric

RULE = Rule(
    id="H201",
    slug="split-order",
    level=Level.MUST,
    requirement="The result does not depend on how the examples are cut into batches, nor on their order.",
    checks=(
        "Takes the sample apart into examples, feeds them in one go, one by one, backwards, and in random orders and "
        "random cuts, and compares the results. Equal scores in the sample are moved apart by 1e-7 first: which of two "
        "equals comes first is nobody's promise. The trait `order_dependent` keeps the order and varies the cuts."
    ),
    why=(
        "The batch size of an evaluation is chosen by the memory of the accelerator, and the order by the number of "
        "readers. A mean of batch means weighs the examples of the last, short batch more; an average precision cannot "
        "be averaged over batches at all. Two runs of one model on two machines then report different scores."
    ),
    bad="""
def update_state(self, groundtruths, predictions):
    self.scores.append(average_precision(groundtruths, predictions))  # of this batch

def result(self):
    return float(np.mean(self.scores))
""",
    good="""
def update_state(self, groundtruths, predictions):
    self.collected.append(matches(groundtruths, predictions))

def result(self):
    return average_precision(np.concatenate(self.collected))
""",
    modes=(Mode.EAGER,),
    traits=("order_dependent", "random_result"),
    references=("Lightning-AI/pytorch-lightning#3517",),
)

_STATISTIC = "keep counts or all matches over the batches, and compute the score from them in `result()`"


def check(ctx: Context) -> None:
    """Try the plain cuts and orders, then random ones."""
    expected = host_metrics.baseline(ctx, at_least=3)
    count = len(host_metrics.examples_of(ctx))
    ordered = list(range(count))
    _compare(ctx, expected, ordered, [1] * count, "batches are averaged, or a batch replaces the one before")
    if not ctx.trait("order_dependent"):
        _compare(ctx, expected, ordered[::-1], [count], "the place of an example in the order enters the result")

    def cases() -> Any:
        from hypothesis import strategies as st

        orders = st.just(ordered) if ctx.trait("order_dependent") else st.permutations(ordered)
        return st.tuples(orders, st.lists(st.integers(1, 4), max_size=count))

    search(ctx, cases, lambda case: _compare(ctx, expected, case[0], case[1], "batches or places enter the result"))


def _compare(
    ctx: Context, expected: host_metrics.Scores, order: Sequence[int], sizes: Sequence[int], cause: str
) -> None:
    """Compare one cut and order with everything in one go; what the sizes leave over is one more batch."""
    layout, examples = host_metrics.sample_of(ctx).layout, host_metrics.examples_of(ctx)
    batches, cut, start = [], [], 0
    for size in [*sizes, len(order)]:
        part = [examples[index] for index in order[start : start + size]]
        start += size
        if part:
            batches += host_metrics.join(layout, part)
            cut.append(len(part))
    actual = host_metrics.scores_of(ctx, batches)
    differing = host_metrics.differing(actual, expected, ctx.tolerance("metrics"))
    if differing:
        places = "in their order" if list(order) == sorted(order) else f"in the order {list(order)}"
        raise Violation(
            f"with the {len(order)} examples {places} in batches of {', '.join(map(str, cut))}, "
            f"{host_metrics.describe(actual, expected, differing)} in one batch",
            cause=cause,
            fix=f"{_STATISTIC[0].upper()}{_STATISTIC[1:]}.",
        )


class _MeanOfBatches(SoundAccuracy):
    def reset_states(self) -> None:
        super().reset_states()
        self.batches: list[dict[str, float]] = []

    def update_state(self, labels: Any, scores: Any) -> None:
        SoundAccuracy.reset_states(self)
        super().update_state(labels, scores)
        self.batches.append(super().result())

    def result(self) -> dict[str, float]:
        if not self.batches:
            return super().result()
        return {name: float(np.mean([batch[name] for batch in self.batches])) for name in self.batches[0]}


class _LastBatch(SoundAccuracy):
    def update_state(self, labels: Any, scores: Any) -> None:
        SoundAccuracy.reset_states(self)
        super().update_state(labels, scores)


class _RowsAsIds(SoundDetectionMetric):
    """Tells images apart by their row in the batch."""

    def take(self, side: str, received: Any, fields: Any) -> dict[str, np.ndarray]:
        arrays = super().take(side, received, fields)
        return arrays | {"source_id": np.arange(len(arrays["source_id"]))}


class _MovingAverage(SoundAccuracy):
    smoothed = -1.0

    def update_state(self, labels: Any, scores: Any) -> None:
        super().update_state(labels, scores)
        for label, row in zip(self.to_array(labels), self.to_array(scores), strict=True):
            hit = float(row.argmax() == label)
            self.smoothed = hit if self.smoothed < 0 else 0.9 * self.smoothed + 0.1 * hit

    def result(self) -> dict[str, float]:
        return {"accuracy": self.smoothed}


class _FirstAppearance(SoundDetectionMetric):
    """Ranks detections in the order in which they came; the score is looked at within an image only."""

    def ordered(self) -> list[Any]:
        return list(self.scenes.values())

    def hits_of(self, scenes: Any, one: int) -> tuple[np.ndarray, int]:
        hits, total = zip(*(super(_FirstAppearance, self).hits_of([scene], one) for scene in scenes), strict=True)
        return np.concatenate(hits), sum(total)


MUTANTS = (
    ACCURACY_METRIC.replace(factory=_MeanOfBatches, traits={}, name="mean of batch scores"),
    ACCURACY_METRIC.replace(factory=_LastBatch, traits={}, name="the last batch alone"),
    ACCURACY_METRIC.replace(factory=_MovingAverage, traits={}, name="a moving average"),
    DETECTION_METRIC.replace(factory=_RowsAsIds, name="rows of the batch as ids"),
    DETECTION_METRIC.replace(factory=_FirstAppearance, name="ranks by arrival"),
)
TWIN = DETECTION_METRIC
