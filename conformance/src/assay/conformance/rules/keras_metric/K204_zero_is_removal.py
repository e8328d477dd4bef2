"""K204 zero-is-removal: an example of weight zero counts as if it were not there, whatever it holds."""

from __future__ import annotations

from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness import metrics
from assay.conformance.harness.samples import Batch, Domain, sample_of
from assay.conformance.lazy import tf
from assay.conformance.model import Level, Mode, Rule, SubjectError, Violation
from assay.conformance.specimens import DEVIATION, HIT_RATE, SoundDeviation, SoundHitRate

RULE = Rule(
    id="K204",
    slug="zero-is-removal",
    level=Level.MUST,
    requirement="Examples of weight zero count as if they were not there, NaN predictions included.",
    checks=(
        "Gives two of five examples weight zero and compares with the three others alone. Then the predictions of the "
        "two are made NaN, and the result must stay. A refusal of NaN, in words, is accepted."
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
    references=("keras-team/keras#592",),
)

KEPT, ROWS = (0, 2, 4), 5
_WEIGHTS = (1.0, 0.0, 2.0, 0.0, 1.0)


def check(ctx: Context) -> None:
    """Compare weight zero with removal."""
    metrics.require_weights(ctx)
    batch = sample_of(ctx).grow(ROWS)
    kept = batch.take(KEPT)
    weights = metrics.row_weights(ctx, batch, _WEIGHTS)
    expected = metrics.evaluate(ctx, [kept], [metrics.row_weights(ctx, kept, [_WEIGHTS[row] for row in KEPT])])
    differs = metrics.difference(ctx, metrics.evaluate(ctx, [batch], [weights]), expected)
    if differs:
        raise Violation(
            f"with weights {list(_WEIGHTS)}, {differs}, as without examples 1 and 3",
            cause="examples are counted without their weights, or enter through a statistic of the batch",
            fix="Add the weights to the count, and use weighted values only.",
        )
    poisoned = _poisoned(batch)
    if poisoned is None:
        return
    try:
        found = metrics.evaluate(ctx, [poisoned], [weights])
    except SubjectError:
        return  # NaN is refused, which nobody can overlook
    differs = metrics.difference(ctx, found, expected)
    if differs:
        raise Violation(
            f"with NaN predictions in examples of weight zero, {differs}, as without these examples",
            cause="values are multiplied by their weights, and zero times NaN is NaN",
            fix="Replace values first: `tf.where(weights == 0, 0.0, values)`.",
        )


def _poisoned(batch: Batch) -> Batch | None:
    """The batch with NaN predictions where the weight is zero; None when no prediction can be NaN."""
    if all(leaf.domain is Domain.FIXED or not leaf.batched for leaf in batch.layout.predictions):
        return None
    rows = [row for row, weight in enumerate(_WEIGHTS) if not weight]

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
