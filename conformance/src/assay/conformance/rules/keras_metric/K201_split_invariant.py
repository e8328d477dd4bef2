"""K201 split-invariant: how examples are cut into batches does not matter."""

from __future__ import annotations

import itertools
from typing import Any

from assay.conformance.context import Context
from assay.conformance.harness import metrics
from assay.conformance.harness.samples import Batch, sample_of
from assay.conformance.harness.searching import search
from assay.conformance.lazy import tf
from assay.conformance.model import Level, Mode, Rule, SubjectError, Target, Violation
from assay.conformance.specimens import DEVIATION, HIT_RATE, IOU, SoundDeviation, SoundHitRate, SoundIoU

RULE = Rule(
    id="K201",
    slug="split-invariant",
    level=Level.MUST,
    requirement="Any split of the examples into batches, unequal ones too, gives the same result.",
    checks=(
        "Counts twelve examples as one batch and in random unequal splits (batches of one among them, and where they "
        "are not refused empty ones), with fractional weights too where the metric takes them. `order_dependent` lifts "
        "it."
    ),
    why=(
        "The batch size, the number of replicas and the last partial batch must not change a published number. The "
        "usual mistake is a mean of batch means, or the maximum or the correlation of single batches."
    ),
    bad="""
def update_state(self, y_true, y_pred, sample_weight=None):
    self.total.assign_add(tf.reduce_mean(values))
    self.count.assign_add(1.0)  # each batch counts the same
""",
    good="""
def update_state(self, y_true, y_pred, sample_weight=None):
    self.total.assign_add(tf.reduce_sum(values))
    self.count.assign_add(tf.cast(tf.size(values), tf.float32))
""",
    modes=(Mode.EAGER,),
    targets=(Target.CPU, Target.GPU, Target.TPU),
    traits=("order_dependent",),
    references=("Lightning-AI/pytorch-lightning#3517",),
)

ROWS = 12
_PLAIN = ((1, 3), (5, 0))
"""Sizes of the first batches; what is left is the last one."""
_WEIGHTS = (1.0, 0.5, 2.0, 0.25, 1.5, 3.0)


def check(ctx: Context) -> None:
    """Compare splits with the whole."""
    ctx.not_applicable_if("order_dependent")
    batch = sample_of(ctx).grow(ROWS)
    takes_weights = metrics.takes_weights(ctx)

    def examine(case: tuple[list[int], bool]) -> None:
        sizes, with_weights = case
        with_weights &= takes_weights
        cuts = [0]
        for size in sizes:
            cuts.append(min(cuts[-1] + size, ROWS))
        cuts.append(ROWS)
        parts = [batch.take(range(low, high)) for low, high in itertools.pairwise(cuts)]
        whole = _evaluate(ctx, [batch], with_weights)
        try:
            found = _evaluate(ctx, parts, with_weights)
        except SubjectError:
            if all(part.size for part in parts):
                raise
            return  # an empty batch may be refused
        differs = metrics.difference(ctx, found, whole)
        if differs:
            said = " and weights" if with_weights else ""
            raise Violation(
                f"in batches of {', '.join(str(part.size) for part in parts)} examples{said}, {differs}, as in one "
                f"batch of {ROWS}",
                cause="each batch is reduced to a mean, or to another statistic, before it is added",
                fix="Add sums and counts of examples to the variables, and divide in `result`.",
            )

    for sizes in _PLAIN:
        examine((list(sizes), takes_weights))
    search(ctx, _splits, examine, examples=6)


def _splits() -> Any:
    from hypothesis import strategies as st

    return st.tuples(st.lists(st.integers(0, 5), min_size=1, max_size=4), st.booleans())


def _evaluate(ctx: Context, parts: list[Batch], weighted: bool) -> metrics.Numbers:
    if not weighted:
        return metrics.evaluate(ctx, parts)
    weights, start = [], 0
    for part in parts:
        values = [_WEIGHTS[(start + row) % len(_WEIGHTS)] for row in range(part.size)]
        weights.append(metrics.row_weights(ctx, part, values))
        start += part.size
    return metrics.evaluate(ctx, parts, weights)


class _MeanOfMeans(SoundDeviation):
    def accumulate(self, values: Any, weights: Any) -> None:
        self.total.assign_add(tf.math.divide_no_nan(tf.reduce_sum(values), tf.reduce_sum(weights)))
        self.weight.assign_add(1.0)


class _LastBatchOnly(SoundHitRate):
    def accumulate(self, values: Any, weights: Any) -> None:
        self.total.assign(tf.reduce_sum(values))
        self.weight.assign(tf.reduce_sum(weights))


class _StaticBatch(SoundHitRate):
    """Counts every batch as being as large as the first one."""

    size: Any = None

    def accumulate(self, values: Any, weights: Any) -> None:
        self.size = tf.reduce_sum(weights) if self.size is None else self.size
        super().accumulate(values, weights / tf.reduce_sum(weights) * self.size)


class _RatioOfBatches(SoundIoU):
    def count(self, y_true: Any, y_pred: Any, weights: Any) -> None:
        super().count(y_true, y_pred, tf.math.divide_no_nan(weights, tf.reduce_sum(weights)))


MUTANTS = (
    DEVIATION.replace(factory=_MeanOfMeans, name="a mean of batch means"),
    HIT_RATE.replace(factory=_LastBatchOnly, name="keeps the last batch"),
    HIT_RATE.replace(factory=_StaticBatch, name="counts each batch like the first"),
    IOU.replace(factory=_RatioOfBatches, name="normalises each batch"),
)
TWIN = HIT_RATE
