"""K501 replica-equal: two replicas give the result of one."""

from __future__ import annotations

from typing import Any

from assay.conformance.context import Context
from assay.conformance.harness import metrics
from assay.conformance.harness.samples import sample_of
from assay.conformance.lazy import tf
from assay.conformance.model import Level, Mode, Rule, SubjectError, Target, Violation
from assay.conformance.specimens import DEVIATION, HIT_RATE, IOU, SoundDeviation, SoundHitRate, SoundIoU

RULE = Rule(
    id="K501",
    slug="replica-equal",
    level=Level.MUST,
    requirement="On several replicas the result, read outside of them, is that of one replica with all examples.",
    checks=(
        "Makes the metric under a mirrored strategy of two replicas, updates it inside `strategy.run` with equal "
        "parts, then with three examples and one, then with a replica that has none, and compares with one replica; "
        "the parts have results of their own. A replica without examples may be refused."
    ),
    why=(
        "Each replica has copies of the variables, and reading combines them as the variable declares: summed, "
        "averaged, or only the first. A count that is averaged beside a total that is summed is wrong by the number of "
        "replicas."
    ),
    bad="""
self.total = tf.Variable(0.0, synchronization=ON_READ, aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA)
""",
    good="""
self.total = tf.Variable(0.0, synchronization=ON_READ, aggregation=tf.VariableAggregation.SUM)
""",
    modes=(Mode.REPLICAS,),
    targets=(Target.CPU, Target.GPU, Target.TPU),
    traits=("order_dependent",),
    references=("tensorflow/addons#2629",),
)

_PARTS = ((2, 2), (3, 1))
_EMPTY = (2, 0)


def check(ctx: Context) -> None:
    """Compare two replicas with one."""
    ctx.not_applicable_if("order_dependent")
    replicated = metrics.ReplicatedMetric(ctx)
    seen: list[Any] = []
    filled = iter(metrics.contrasting(ctx, *(size for size in sum((*_PARTS, _EMPTY), ()) if size)))
    for number, sizes in enumerate((*_PARTS, _EMPTY)):
        parts = [next(filled) if size else sample_of(ctx).grow(0) for size in sizes]
        try:
            replicated.update(parts)
        except SubjectError:
            if 0 in sizes:
                return  # said no to a batch without examples
            raise
        seen.append(metrics.joined(parts))
        differs = metrics.difference(ctx, replicated.result(), metrics.evaluate(ctx, seen))
        if differs:
            raise Violation(
                f"after updates of {', '.join(str(one) for one in (*_PARTS, _EMPTY)[: number + 1])} examples on two "
                f"replicas, {differs}, as on one",
                cause="a variable is not summed over the replicas, or a replica without examples adds NaN",
                fix="Make variables with `self.add_weight` (summed on reading), and keep sums and counts in them.",
            )


class _FirstReplicaOnly(SoundHitRate):
    def aggregation(self) -> Any:
        return tf.VariableAggregation.ONLY_FIRST_REPLICA


class _NanOfNothing(SoundDeviation):
    def accumulate(self, values: Any, weights: Any) -> None:
        size = tf.reduce_sum(weights)
        super().accumulate(tf.reduce_mean(values)[tf.newaxis] * size, weights)


class _AveragesTheMatrix(SoundIoU):
    def count(self, y_true: Any, y_pred: Any, weights: Any) -> None:
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        smooth = 0.5 if replicas > 1 else 0.0
        super().count(y_true, y_pred, weights)
        self.confusion.assign_add(smooth * tf.eye(self.num_classes, dtype=weights.dtype))


class _AveragesTheCount(SoundHitRate):
    def __init__(self) -> None:
        super().__init__()
        self.variables.pop()
        self.weight = tf.Variable(
            tf.zeros((), tf.float64),
            trainable=False,
            synchronization=tf.VariableSynchronization.ON_READ,
            aggregation=tf.VariableAggregation.MEAN,
        )
        self.variables.append(self.weight)


MUTANTS = (
    HIT_RATE.replace(factory=_FirstReplicaOnly, name="reads the first replica"),
    HIT_RATE.replace(factory=_AveragesTheCount, name="averages the count"),
    DEVIATION.replace(factory=_NanOfNothing, name="adds the mean of nothing"),
    IOU.replace(factory=_AveragesTheMatrix, name="adds something on each replica"),
)
TWIN = HIT_RATE
