"""K204 zero-is-removal: an example of weight zero counts as if it were not there, whatever it holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness import metrics
from assay.conformance.harness.samples import Batch, Domain
from assay.conformance.harness.searching import search
from assay.conformance.lazy import tf
from assay.conformance.model import Level, Mode, Rule, SubjectError, Target, Violation
from assay.conformance.specimens import DEVIATION, HIT_RATE, SoundDeviation, SoundHitRate

RULE = Rule(
    id="K204",
    slug="zero-is-removal",
    level=Level.MUST,
    requirement="Examples of weight zero count as if they were not there, NaN predictions included.",
    checks=(
        "After a batch that counts in full gives a second one weights of which some, or all, are zero, and compares "
        "with the second batch without those examples. Then the predictions of those are made NaN, and the result must "
        "stay. A refusal of NaN, in words, is accepted. The weights are drawn, and shortened when they fail."
    ),
    why=(
        "Weight zero is how padding of the last batch is kept out of an evaluation, and what a model predicts for "
        "padding may be anything. Zero times NaN is NaN: multiplying is not enough."
    ),
    bad="""
def update_state(self, y_true, y_pred, sample_weight=None):
    self.total.assign_add(tf.reduce_sum(values * sample_weight))
    self.count.assign_add(tf.cast(tf.size(values), tf.float32))
""",
    good="""
def update_state(self, y_true, y_pred, sample_weight=None):
    values = tf.where(sample_weight == 0, 0.0, values)
    self.total.assign_add(tf.reduce_sum(values * sample_weight))
    self.count.assign_add(tf.reduce_sum(sample_weight))
""",
    modes=(Mode.EAGER,),
    targets=(Target.CPU, Target.GPU, Target.TPU),
    references=("keras-team/keras#592",),
)

_PLAIN = (1.0, 0.0, 2.0, 0.0, 1.0)
_DRAWN = (0.0, 1.0, 0.5, 3.0)
_MOST = 6
_BEFORE = 3


def check(ctx: Context) -> None:
    """Compare weight zero with removal."""
    metrics.require_weights(ctx)

    def examine(weights: list[float]) -> None:
        if 0.0 in weights:
            _examine(ctx, weights)

    examine(list(_PLAIN))
    search(ctx, _weights, examine, examples=5)


def _weights() -> Any:
    from hypothesis import strategies as st

    return st.lists(st.sampled_from(_DRAWN), min_size=1, max_size=_MOST)


def _examine(ctx: Context, weights: list[float]) -> None:
    """A batch that counts in full, and one with some weights zero; nothing at all may be left of the second."""
    before, batch = metrics.contrasting(ctx, _BEFORE, _MOST)
    batch = batch.take(range(len(weights)))
    rows = [row for row, weight in enumerate(weights) if weight]
    full = metrics.row_weights(ctx, before, [1.0] * before.size)
    kept = [batch.take(rows)] if rows else []
    kept_weights = [metrics.row_weights(ctx, one, [weights[row] for row in rows]) for one in kept]
    expected = metrics.evaluate(ctx, [before, *kept], [full, *kept_weights])
    given = [full, metrics.row_weights(ctx, batch, weights)]
    differs = metrics.difference(ctx, metrics.evaluate(ctx, [before, batch], given), expected)
    if differs:
        raise Violation(
            f"after {before.size} examples of weight 1 and a batch with weights {weights}, {differs}, as without the "
            "examples of weight zero",
            cause="examples are counted without their weights, or enter through a statistic of the batch",
            fix="Add the weights to the count, and use weighted values only.",
        )
    poisoned = _poisoned(batch, weights)
    if poisoned is None:
        return
    try:
        found = metrics.evaluate(ctx, [before, poisoned], given)
    except SubjectError:
        return  # NaN is refused, which nobody can overlook
    differs = metrics.difference(ctx, found, expected)
    if differs:
        raise Violation(
            f"with weights {weights}, and NaN for the predictions of the examples of weight zero, {differs}, as "
            "without these examples",
            cause="values are multiplied by their weights, and zero times NaN is NaN",
            fix="Replace values first: `tf.where(weights == 0, 0.0, values)`.",
        )


def _poisoned(batch: Batch, weights: Sequence[float]) -> Batch | None:
    """The batch with NaN predictions where the weight is zero; None when no prediction can be NaN."""
    if all(leaf.domain is Domain.FIXED or not leaf.batched for leaf in batch.layout.predictions):
        return None
    rows = [row for row, weight in enumerate(weights) if not weight]

    def poison(leaf: Any, array: np.ndarray) -> np.ndarray:
        array = array.copy()
        if leaf.domain is not Domain.FIXED and leaf.batched:
            array[rows] = np.nan
        return array

    return batch.map_predictions(poison)


class _CountsAll(SoundHitRate):
    def accumulate(self, values: Any, weights: Any) -> None:
        super().accumulate(values, tf.ones_like(weights))


class _Multiplies(SoundDeviation):
    def mask(self, values: Any, weights: Any) -> Any:
        return values


class _CentresOnTheBatch(SoundDeviation):
    def values(self, y_true: Any, y_pred: Any) -> Any:
        return super().values(y_true, y_pred - tf.reduce_mean(y_pred, axis=0))


class _IgnoresWeights(SoundHitRate):
    def align(self, given: Any, ones: Any) -> Any:
        return ones


MUTANTS = (
    HIT_RATE.replace(factory=_CountsAll, name="counts examples without weights"),
    DEVIATION.replace(factory=_Multiplies, name="multiplies NaN by zero"),
    DEVIATION.replace(factory=_CentresOnTheBatch, name="centres on the batch"),
    HIT_RATE.replace(factory=_IgnoresWeights, name="ignores weights"),
)
TWIN = DEVIATION
