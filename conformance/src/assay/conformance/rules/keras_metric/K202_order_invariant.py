"""K202 order-invariant: the order of examples and updates does not matter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from assay.conformance.context import Context
from assay.conformance.harness import metrics
from assay.conformance.harness.samples import Batch, sample_of
from assay.conformance.harness.searching import search
from assay.conformance.lazy import tf
from assay.conformance.model import Level, Mode, Rule, Violation
from assay.conformance.specimens import DEVIATION, HIT_RATE, SoundDeviation, SoundHitRate

RULE = Rule(
    id="K202",
    slug="order-invariant",
    level=Level.MUST,
    requirement="The order of the examples, in a batch and over batches, does not change the result.",
    checks="Counts nine examples, in batches of three, in random orders. The trait `order_dependent` lifts it.",
    why=(
        "Shards are read in parallel and replicas finish in any order. A running average, a threshold taken from the "
        "first batch or a buffer that drops what is old gives another number at every evaluation."
    ),
    bad="""
def update_state(self, y_true, y_pred, sample_weight=None):
    self.value.assign(0.9 * self.value + 0.1 * tf.reduce_mean(values))
""",
    good="""
def update_state(self, y_true, y_pred, sample_weight=None):
    self.total.assign_add(tf.reduce_sum(values))
""",
    modes=(Mode.EAGER,),
    traits=("order_dependent",),
)

ROWS = 7
_WEIGHTS = (1.0, 0.5, 2.0, 0.25, 1.5, 3.0, 0.0)


def check(ctx: Context) -> None:
    """Compare orders."""
    ctx.not_applicable_if("order_dependent")
    batch = sample_of(ctx).grow(ROWS)
    takes_weights = metrics.takes_weights(ctx)

    def examine(case: tuple[list[int], int, bool]) -> None:
        order, size, with_weights = case
        with_weights &= takes_weights
        expected = _in_order(ctx, batch, range(ROWS), size, with_weights)
        differs = metrics.difference(ctx, _in_order(ctx, batch, order, size, with_weights), expected)
        if differs:
            raise Violation(
                f"with the examples in the order {list(order)}, in batches of {size}"
                f"{' and with weights' if with_weights else ''}, {differs}, as in the order of the rows",
                cause="later updates weigh more than earlier ones, or the first batch fixes a threshold",
                fix="Add sums to the variables; when the order matters by design, declare the trait 'order_dependent'.",
            )

    search(ctx, _orders, examine, examples=4)


def _orders() -> Any:
    from hypothesis import strategies as st

    return st.tuples(st.permutations(range(ROWS)), st.integers(2, 5), st.booleans())


def _in_order(ctx: Context, batch: Batch, order: Sequence[int], size: int, weighted: bool) -> metrics.Numbers:
    """The result of the rows in an order, in batches of a size, of which the last may be smaller."""
    cuts = [order[start : start + size] for start in range(0, ROWS, size)]
    parts = [batch.take(rows) for rows in cuts]
    if not weighted:
        return metrics.evaluate(ctx, parts)
    pairs = zip(parts, cuts, strict=True)
    return metrics.evaluate(
        ctx, parts, [metrics.row_weights(ctx, part, [_WEIGHTS[row] for row in rows]) for part, rows in pairs]
    )


class _RunningAverage(SoundDeviation):
    def accumulate(self, values: Any, weights: Any) -> None:
        self.total.assign(0.9 * self.total + tf.reduce_sum(values))
        self.weight.assign(0.9 * self.weight + tf.reduce_sum(weights))


class _FirstRowWeighsMore(SoundDeviation):
    def accumulate(self, values: Any, weights: Any) -> None:
        super().accumulate(values + tf.concat([values[:1], tf.zeros_like(values[1:])], axis=0), weights)


class _LateWins(SoundHitRate):
    def accumulate(self, values: Any, weights: Any) -> None:
        late = 1.0 + self.weight
        super().accumulate(values * late, weights * late)


MUTANTS = (
    DEVIATION.replace(factory=_RunningAverage, name="a running average"),
    DEVIATION.replace(factory=_FirstRowWeighsMore, name="the first row counts twice"),
    HIT_RATE.replace(factory=_LateWins, name="later examples weigh more"),
)
TWIN = DEVIATION
