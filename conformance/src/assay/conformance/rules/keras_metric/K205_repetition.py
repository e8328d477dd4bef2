"""K205 repetition: an example of weight two counts as two examples."""

from __future__ import annotations

from typing import Any

from assay.conformance.context import Context
from assay.conformance.harness import metrics
from assay.conformance.harness.searching import search
from assay.conformance.lazy import tf
from assay.conformance.model import Level, Mode, Rule, Violation
from assay.conformance.specimens import DEVIATION, HIT_RATE, SoundDeviation, SoundHitRate

RULE = Rule(
    id="K205",
    slug="repetition",
    level=Level.SHOULD,
    requirement="Whole weights count as repeats: weight three gives what three copies of the example give.",
    checks="Gives four examples the weights 1, 3, 2 and 1, and compares with a batch in which each is repeated.",
    why=(
        "Weights that stand for counts (deduplicated data, class balance) are only right when they count like the "
        "examples they stand for."
    ),
    bad="""
self.total.assign_add(tf.reduce_sum(values * tf.sqrt(sample_weight)))
""",
    good="""
self.total.assign_add(tf.reduce_sum(values * sample_weight))
""",
    modes=(Mode.EAGER,),
    references=("scikit-learn/scikit-learn#29818",),
)

_PLAIN = (1, 3, 2, 1)
_MOST = 6


def check(ctx: Context) -> None:
    """Compare weights with repeats."""
    metrics.require_weights(ctx)
    _examine(ctx, list(_PLAIN))
    search(ctx, _repeats, lambda repeats: _examine(ctx, repeats), examples=4)


def _repeats() -> Any:
    from hypothesis import strategies as st

    return st.lists(st.integers(1, 5), min_size=1, max_size=_MOST)


def _examine(ctx: Context, repeats: list[int]) -> None:
    before, batch = metrics.contrasting(ctx, 1, _MOST)
    batch = batch.take(range(len(repeats)))
    repeated = batch.take([row for row, count in enumerate(repeats) for _ in range(count)])
    one, ones = (metrics.row_weights(ctx, rows, [1.0] * rows.size) for rows in (before, repeated))
    found = metrics.evaluate(ctx, [before, batch], [one, metrics.row_weights(ctx, batch, repeats)])
    differs = metrics.difference(ctx, found, metrics.evaluate(ctx, [before, repeated], [one, ones]))
    if differs:
        raise Violation(
            f"after an example of weight 1 and a batch with weights {repeats}, {differs}, as with repeated examples",
            cause="weights are clipped, normalised or bent before they are used",
            fix="Multiply values and counts by the weights as they are given.",
        )


class _ClipsWeights(SoundHitRate):
    def align(self, given: Any, ones: Any) -> Any:
        return tf.minimum(super().align(given, ones), 1.0)


class _RootOfWeights(SoundDeviation):
    def align(self, given: Any, ones: Any) -> Any:
        return tf.sqrt(super().align(given, ones))


MUTANTS = (
    HIT_RATE.replace(factory=_ClipsWeights, name="clips weights at one"),
    DEVIATION.replace(factory=_RootOfWeights, name="takes the root of weights"),
)
TWIN = HIT_RATE
