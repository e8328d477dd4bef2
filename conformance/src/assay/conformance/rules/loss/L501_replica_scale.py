"""L501 replica-scale: what the replicas contribute adds up to the loss of one replica with the whole batch."""

from __future__ import annotations

from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness import losses
from assay.conformance.harness.samples import Batch, sample_of
from assay.conformance.harness.strategies import REPLICAS
from assay.conformance.lazy import tf
from assay.conformance.model import Level, Mode, NotApplicable, Rule, Target, Violation
from assay.conformance.specimens import CROSS_ENTROPY, HUBER_LOSS, SoundCrossEntropy, SoundHuber

RULE = Rule(
    id="L501",
    slug="replica-scale",
    level=Level.MUST,
    requirement="On several replicas unreduced values and sums are those of one replica, and means are its mean or "
    "share.",
    checks=(
        "Gives each of two replicas half of a batch. Unreduced values must be the same rows, and the sums must add up "
        "to the "
        "sum of the whole batch. The means of equal halves must add up to the mean of the batch (the loss divides by "
        "the "
        "number of replicas itself, as in Keras 3) or to twice the mean (the training loop divides). A loss that "
        "refuses a "
        "mean under a strategy, as in tf_keras, is asked for its sum."
    ),
    why=(
        "The optimizer adds gradients over replicas. A loss that is scaled once too often or once too little trains "
        "with a "
        "learning rate that depends on the number of devices; with Adam it is hidden from the first steps and not from "
        "weight decay or gradient clipping."
    ),
    bad="""
def call(self, y_true, y_pred):
    replicas = tf.distribute.get_strategy().num_replicas_in_sync
    return tf.reduce_sum(losses) / replicas  # a sum needs no share
""",
    good="""
def call(self, y_true, y_pred):
    return tf.reduce_sum(losses)  # replicas add up
""",
    modes=(Mode.REPLICAS,),
    targets=(Target.CPU, Target.GPU, Target.TPU),
    traits=("mixes_examples", "normaliser"),
    references=("keras-team/keras#16285", "tensorflow/tensorflow#33651", "tensorflow/tensorflow#45923"),
)


def check(ctx: Context) -> None:
    """Compare two replicas with one."""
    losses.require_independent_examples(ctx)
    batch = sample_of(ctx).grow(2 * REPLICAS)
    parts = losses.parts_of(batch, (REPLICAS, REPLICAS))
    compared = False
    for reduction in (losses.DEFAULT, losses.NONE, losses.SUM):
        if losses.has_reduction(ctx, reduction):
            compared = _compare(ctx, reduction, batch, parts) or compared
    if not compared:
        raise NotApplicable("No form of the loss can be called under a strategy and compared.")


def _compare(ctx: Context, reduction: str, batch: Batch, parts: list[Batch]) -> bool:
    loss = losses.component(ctx, reduction)
    alone = losses.value(ctx, loss, batch, mode=Mode.EAGER)
    on_replicas = losses.replica_outputs(ctx, loss, parts)
    if on_replicas is None:
        return False
    allowed = ctx.tolerance("loss")
    if alone.ndim:
        together = np.concatenate([np.atleast_1d(values) for values in on_replicas])
        good = together.shape == alone.shape and allowed.allows(together, alone)
        factors = "the same rows"
    else:
        together = np.asarray(np.sum([float(values) for values in on_replicas]))
        adds_up = reduction == losses.SUM or _is_sum(ctx, batch, alone)
        possible = (1.0,) if adds_up else (1.0, float(REPLICAS))
        if not adds_up and ctx.subject.traits.get("normaliser", "elements") != "elements":
            return False  # halves have divisors of their own; L503 speaks of that
        good = any(allowed.allows(together, factor * alone) for factor in possible)
        factors = " or ".join(f"{factor * float(alone):.6g}" for factor in possible)
    if not good:
        raise Violation(
            f"with reduction {reduction}, two replicas contribute {_some(on_replicas)}, which makes "
            f"{np.ravel(together)[:4].tolist()}; it should be {factors}, and one replica gives "
            f"{np.ravel(alone)[:4].tolist()}",
            cause=_cause(together, alone),
            fix="Scale a mean by the number of replicas once, in the loss or in the loop, and sums and unreduced "
            "values "
            "never.",
        )
    return True


def _is_sum(ctx: Context, batch: Batch, alone: np.ndarray) -> bool:
    """Whether the default form is a sum, judged by its value."""
    if not losses.has_reduction(ctx, losses.SUM):
        return False
    summed = losses.value(ctx, losses.component(ctx, losses.SUM), batch, mode=Mode.EAGER)
    return ctx.tolerance("loss").allows(alone, summed)


def _cause(together: np.ndarray, alone: np.ndarray) -> str:
    if together.shape == alone.shape and np.all(alone != 0):
        ratio = float(np.mean(together / alone))
        times = _TIMES.get(round(ratio, 3))
        if times:
            return f"it is divided by the number of replicas {times} (a factor of {ratio:.3g})"
    return "the value depends on the replica, or on the number of replicas"


_TIMES = {0.5: "once too often", 0.25: "twice too often", 4.0: "too seldom"}


def _some(values: list[np.ndarray]) -> str:
    return " and ".join(str([round(float(value), 6) for value in np.ravel(one)[:3]]) for one in values)


def _replicas() -> Any:
    return tf.cast(tf.distribute.get_strategy().num_replicas_in_sync, tf.float32)


class _SharesTheSum(SoundCrossEntropy):
    def reduce(self, losses: Any, weights: Any) -> Any:
        return super().reduce(losses, weights) / _replicas()


class _SharesTwice(SoundHuber):
    def call(self, y_true: Any, y_pred: Any) -> Any:
        return super().call(y_true, y_pred) / _replicas() ** 2


class _KnowsItsReplica(SoundHuber):
    def reduce(self, losses: Any, weights: Any) -> Any:
        context = tf.distribute.get_replica_context()
        first = 0 if context is None else context.replica_id_in_sync_group
        return super().reduce(losses, weights) * (1.0 + 0.5 * tf.cast(first, tf.float32))


MUTANTS = (
    CROSS_ENTROPY.replace(factory=_SharesTheSum, name="shares the sum"),
    HUBER_LOSS.replace(factory=_SharesTwice, name="shares twice"),
    HUBER_LOSS.replace(factory=_KnowsItsReplica, name="depends on the replica"),
)
TWIN = CROSS_ENTROPY
