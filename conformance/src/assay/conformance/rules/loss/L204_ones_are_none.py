"""L204 ones-are-none: weights of one give what no weights give."""

from __future__ import annotations

from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness import losses
from assay.conformance.harness.samples import Batch, sample_of
from assay.conformance.lazy import tf
from assay.conformance.model import Level, Mode, Rule, Violation
from assay.conformance.specimens import CROSS_ENTROPY, HUBER_LOSS, SoundCrossEntropy, SoundHuber

RULE = Rule(
    id="L204",
    slug="ones-are-none",
    level=Level.MUST,
    requirement="Weights that are all one give exactly what no weights give, in every reduction.",
    checks=(
        "Calls the loss without weights and with ones in the shape of the unreduced values, as the factory makes it "
        "and with each reduction it has, for batches of five and of sizes that Hypothesis draws."
    ),
    why=(
        "A pipeline that begins to send weights, all one at first, must not change the training run. When it does, "
        "the divisor differs between the two paths, and the learning rate means something else."
    ),
    bad="""
def __call__(self, y_true, y_pred, sample_weight=None):
    losses = self.call(y_true, y_pred)
    if sample_weight is None:
        return tf.reduce_mean(losses)
    return tf.reduce_sum(losses * sample_weight)  # another divisor
""",
    good="""
def __call__(self, y_true, y_pred, sample_weight=None):
    losses = self.call(y_true, y_pred)
    if sample_weight is not None:
        losses = losses * sample_weight
    return tf.reduce_mean(losses)
""",
    modes=(Mode.EAGER,),
    references=("scikit-learn/scikit-learn#11316",),
)


def check(ctx: Context) -> None:
    """Compare weights of one with none."""
    losses.require_weights(ctx)
    sample = sample_of(ctx)
    reductions = [
        reduction
        for reduction in (losses.DEFAULT, losses.NONE, losses.SUM, losses.MEAN)
        if losses.has_reduction(ctx, reduction)
    ]

    def cases() -> Any:
        from hypothesis import strategies

        return strategies.tuples(losses.grown(), strategies.sampled_from(reductions))

    def examine(case: tuple[tuple[int, int], str]) -> None:
        (size, seed), reduction = case
        _compare(ctx, sample.grow(size, seed=seed), reduction)

    losses.explore(ctx, [((5, 0), reduction) for reduction in reductions], cases, examine)


def _compare(ctx: Context, batch: Batch, reduction: str) -> None:
    shape: tuple[int, ...] = (batch.size,)
    if losses.has_reduction(ctx, losses.NONE):
        shape = losses.value(ctx, losses.component(ctx, losses.NONE), batch).shape
    loss = losses.component(ctx, reduction)
    expected, found = losses.value(ctx, loss, batch), losses.value(ctx, loss, batch, np.ones(shape, np.float32))
    if found.shape != expected.shape or not ctx.tolerance("loss").allows(found, expected):
        raise Violation(
            f"with reduction {reduction} and {losses.counted(batch.size)}, weights of one {list(shape)} give "
            f"{found.ravel()[:3].tolist()} of shape {list(found.shape)}, and no weights "
            f"{expected.ravel()[:3].tolist()} of shape {list(expected.shape)}",
            cause="weights take another path through the reduction, with another divisor or another shape",
            fix="Multiply the values by the weights when there are any, and reduce both the same way.",
        )


class _SumsWhenWeighted(SoundCrossEntropy):
    def reduce(self, losses: Any, weights: Any) -> Any:
        if weights is not None and self.reduction == "sum_over_batch_size":
            return tf.reduce_sum(losses)
        return super().reduce(losses, weights)


class _EpsilonInTheDivisor(SoundHuber):
    def weigh(self, losses: Any, weights: Any) -> Any:
        return losses if weights is None else losses * weights / (tf.reduce_mean(weights) + 1e-2)


MUTANTS = (
    CROSS_ENTROPY.replace(factory=_SumsWhenWeighted, name="sums when weighted"),
    HUBER_LOSS.replace(factory=_EpsilonInTheDivisor, name="epsilon beside the weights"),
)
TWIN = CROSS_ENTROPY
