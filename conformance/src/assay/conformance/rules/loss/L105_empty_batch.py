"""L105 empty-batch: a batch of no examples gives a finite scalar."""

from __future__ import annotations

from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness import losses
from assay.conformance.harness.samples import sample_of
from assay.conformance.lazy import tf
from assay.conformance.model import Level, Mode, NotApplicable, Rule, Target, Violation
from assay.conformance.specimens import CROSS_ENTROPY, HUBER_LOSS, SoundCrossEntropy, SoundHuber

RULE = Rule(
    id="L105",
    slug="empty-batch",
    level=Level.MUST,
    requirement="A reduced loss of an empty batch is a finite scalar.",
    checks=(
        "Calls the loss, as the factory makes it and with the reductions sum and mean where it has them, with the "
        "sample's shapes and a batch of 0, without weights and, where it takes them, with no weights `[0, ...]`. Each "
        "reduced result must be one finite number of shape []. Unreduced values, and losses that declare "
        "`mixes_examples` (nothing to contrast), are left alone."
    ),
    why=(
        "The last batch of an epoch on several replicas, a bucket without examples, a batch whose objects were all "
        "filtered out: the mean of nothing is 0/0, one NaN reaches the all-reduce, and every weight on every replica "
        "is NaN."
    ),
    bad="""
def call_and_reduce(y_true, y_pred):
    return tf.reduce_mean(tf.square(y_pred - y_true))  # 0 / 0 for no example
""",
    good="""
def call_and_reduce(y_true, y_pred):
    losses = tf.square(y_pred - y_true)
    return tf.math.divide_no_nan(tf.reduce_sum(losses), tf.cast(tf.size(losses), tf.float32))
""",
    modes=(Mode.EAGER, Mode.GRAPH),
    targets=(Target.CPU, Target.GPU, Target.TPU),
    traits=("mixes_examples",),
)


def check(ctx: Context) -> None:
    """Look at each reduced form with no examples."""
    ctx.not_applicable_if("mixes_examples")
    sample = sample_of(ctx)
    empty, full = sample.grow(0), sample.grow(3)
    looked = False
    for reduction in (losses.DEFAULT, losses.SUM, losses.MEAN):
        if not losses.has_reduction(ctx, reduction):
            continue
        loss = losses.component(ctx, reduction)
        if losses.value(ctx, loss, full, mode=Mode.EAGER).ndim:
            continue
        looked = True
        _look(losses.value(ctx, loss, empty), reduction, "")
        if loss.takes_weights:
            shape = losses.row_weights(ctx, full, [1.0] * full.size).shape
            weights = np.zeros((0, *shape[1:]), np.float32)
            _look(losses.value(ctx, loss, empty, weights), reduction, f", with weights {list(weights.shape)},")
    if not looked:
        raise NotApplicable("The loss has no reduced form.")


def _look(found: np.ndarray, reduction: str, note: str) -> None:
    if found.ndim == 0 and np.isfinite(found):
        return
    word = "as the factory makes it" if reduction == losses.DEFAULT else f"with reduction {reduction}"
    raise Violation(
        f"{word}{note} the loss of 0 examples is {found.tolist()} of shape {list(found.shape)}",
        cause=(
            "the reduction is skipped for an empty batch"
            if found.ndim
            else "the mean divides by the number of examples, or by the sum of their weights, which is 0"
        ),
        fix="Reduce with `tf.math.divide_no_nan(tf.reduce_sum(losses), count)`, whatever the batch size.",
    )


class _DividesByZero(SoundCrossEntropy):
    def reduce(self, losses: Any, weights: Any) -> Any:
        del weights
        return {"none": tf.identity, "sum": tf.reduce_sum}.get(self.reduction, tf.reduce_mean)(losses)


class _TakesTheLargest(SoundHuber):
    def reduce(self, losses: Any, weights: Any) -> Any:
        total = super().reduce(losses, weights)
        return total if self.reduction != "sum_over_batch_size" else total + 0.0 * tf.reduce_max(losses)


class _SkipsTheReduction(SoundHuber):
    def reduce(self, losses: Any, weights: Any) -> Any:
        return losses if tuple(losses.shape) == (0,) else super().reduce(losses, weights)


MUTANTS = (
    CROSS_ENTROPY.replace(factory=_DividesByZero, name="mean of nothing"),
    HUBER_LOSS.replace(factory=_TakesTheLargest, name="largest of nothing"),
    HUBER_LOSS.replace(factory=_SkipsTheReduction, name="returns an empty array"),
)
TWIN = CROSS_ENTROPY
