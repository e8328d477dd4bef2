"""L502 empty-replica: a replica with no examples adds zero."""

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
    id="L502",
    slug="empty-replica",
    level=Level.MUST,
    requirement="A replica that got no examples of a batch contributes a scalar zero.",
    checks=(
        "Gives one replica three examples and the other none, and looks at what each contributes, for each reduced "
        "form "
        "that the loss has. The empty one must give a scalar 0, and the other what it gives alone."
    ),
    why=(
        "Five examples on two replicas are three and two, and one example is one and none: the last batch of an epoch "
        "without `drop_remainder`. NaN from the empty replica is added to the gradients of all."
    ),
    bad="""
return tf.reduce_mean(losses)  # of nothing
""",
    good="""
return tf.math.divide_no_nan(tf.reduce_sum(losses), tf.cast(tf.size(losses), tf.float32))
""",
    modes=(Mode.REPLICAS,),
    targets=(Target.CPU, Target.GPU, Target.TPU),
    traits=("mixes_examples",),
    references=("tensorflow/tensorflow#30847",),
)

ROWS = 3


def check(ctx: Context) -> None:
    """Look at what an empty replica contributes."""
    losses.require_independent_examples(ctx)
    batch = sample_of(ctx).grow(ROWS)
    parts = losses.parts_of(batch, (ROWS, 0))
    looked = False
    for reduction in (losses.DEFAULT, losses.SUM):
        if not losses.has_reduction(ctx, reduction):
            continue
        loss = losses.component(ctx, reduction)
        if losses.value(ctx, loss, batch, mode=Mode.EAGER).ndim:
            continue
        found = losses.replica_outputs(ctx, loss, parts)
        if found is None:
            continue
        looked = True
        empty = found[1]
        if empty.ndim or not np.array_equal(empty, 0.0):
            word = "as the factory makes it" if reduction == losses.DEFAULT else f"with reduction {reduction}"
            raise Violation(
                f"{word}, the replica without examples contributes {empty.tolist()} of shape {list(empty.shape)}",
                cause="the mean of no examples is 0/0, a constant is added, or the reduction is skipped",
                fix="Reduce with `tf.math.divide_no_nan(tf.reduce_sum(losses), count)`, whatever the batch size.",
            )
    if not looked:
        raise NotApplicable("No reduced form of the loss can be called under a strategy.")


class _MeanOfNothing(SoundCrossEntropy):
    def reduce(self, losses: Any, weights: Any) -> Any:
        del weights
        return {"none": tf.identity, "sum": tf.reduce_sum}.get(self.reduction, tf.reduce_mean)(losses)


class _AddsAConstant(SoundHuber):
    def reduce(self, losses: Any, weights: Any) -> Any:
        found = super().reduce(losses, weights)
        return found if self.reduction == "none" else found + 0.01


MUTANTS = (
    CROSS_ENTROPY.replace(factory=_MeanOfNothing, name="mean of nothing"),
    HUBER_LOSS.replace(factory=_AddsAConstant, name="adds a constant for each replica"),
)
TWIN = CROSS_ENTROPY
