"""T501 replica-equal: on replicas the same global batch gives the same update, logged loss and training metrics."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness import as_numpy
from assay.conformance.harness.tasks import (
    TrainRun,
    common_factor,
    comparable_run,
    describe_changes,
    differing,
    differing_beyond_rounding,
    keeps_batch_statistics,
    lift_if_random,
    mean_update,
    part_runs,
    projection,
    scale_of_parts,
    shares_of_parts,
    update_of,
    weighted_update,
)
from assay.conformance.harness.tasks.replica_causes import (
    NORMALISER,
    cause_of_difference,
    cause_of_factor,
    cause_of_logged_loss,
    mixing,
    same_update,
)
from assay.conformance.harness.tasks.runs import metric_result
from assay.conformance.lazy import tf
from assay.conformance.model import Level, Mode, Rule, Subject, Target, Violation
from assay.conformance.specimens import SOUND_TASK, SoundTask

RULE = Rule(
    id="T501",
    slug="replica-equal",
    level=Level.MUST,
    requirement="Replicas that share a global batch train as one replica with the whole batch does.",
    checks=(
        "Takes three SGD steps on the same global batches from the same weights, on one replica and on two that get "
        "half of each batch, random layers switched off, and compares the weights after each step, the logged loss "
        "(its mean over the replicas) and the training metrics. A model with batch statistics is compared with the "
        "mean of the updates that one replica makes on each half, weighed if a count over all replicas weighs it and "
        "the logged loss alike; the declaration is believed when such statistics are seen to move, or when the whole "
        "batch's update is not made up of those of the halves. The data decides how uneven the halves are: where "
        "examples carry masks or ignored labels, their counts differ as in training."
    ),
    why=(
        "The optimizer sums the gradients of the replicas. A loss that is a mean over the replica's own examples then "
        "gives an update that grows with the number of devices: the learning rate is 8 times too high on 8 GPUs, and "
        "a run that diverges or stalls after a change of machine is blamed on anything but this."
    ),
    bad="""
def train_step(self, inputs, model, optimizer, metrics=None):
    features, labels = inputs
    with tf.GradientTape() as tape:
        outputs = model(features, training=True)
        loss = tf.reduce_mean(self.loss_fn(labels, outputs))  # a mean over this replica's examples
    gradients = tape.gradient(loss, model.trainable_variables)
    optimizer.apply_gradients(zip(gradients, model.trainable_variables))  # and this sums over the replicas
""",
    good="""
def train_step(self, inputs, model, optimizer, metrics=None):
    features, labels = inputs
    with tf.GradientTape() as tape:
        outputs = model(features, training=True)
        loss = tf.reduce_mean(self.loss_fn(labels, outputs))
        objective = loss / tf.distribute.get_strategy().num_replicas_in_sync
    gradients = tape.gradient(objective, model.trainable_variables)
    optimizer.apply_gradients(zip(gradients, model.trainable_variables))
    return {"loss": loss}
""",
    modes=(Mode.REPLICAS,),
    targets=(Target.CPU, Target.GPU, Target.TPU),
    traits=("batch_statistics", "random_step"),
    references=("tensorflow/tensorflow#33809", "tensorflow/tensorflow#33651", "tensorflow/tensorflow#39268"),
)

LOSS = "loss"
Arrays = Mapping[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class _Difference:
    """The first step at which the replicas part from the reference.

    Attributes:
      step: The step.
      replicas: How many replicas there are.
      actual: What they add to each weight.
      expected: What they should add.
      before: The weights before the step.
      reference: What `expected` is, for messages.
      parts_loss: The mean loss that one replica logs for the parts, where `expected` comes from them.
    """

    step: int
    replicas: int
    actual: Arrays
    expected: Arrays
    before: Arrays
    reference: str = "one replica's update"
    parts_loss: float = float("nan")


def check(ctx: Context) -> None:
    """Compare two replicas with one, step by step; localise the first difference."""
    single, replicas = comparable_run(ctx, mode=Mode.GRAPH), comparable_run(ctx)
    step = _first_different_step(ctx, replicas, single)
    if step is None:
        _check_logged_loss(ctx, replicas, [_mean_loss(logs) for logs in single.logs])
        _check_metrics(ctx, replicas, single)
        return
    difference = _difference(ctx, replicas, single, step)
    if same_update(ctx, difference.actual, difference.expected):  # by parts, where statistics are per replica
        _check_mixes(ctx, single)
        _check_logged_loss(ctx, replicas, [difference.parts_loss])
        return
    _check_factor(ctx, difference)  # a factor is a factor, whatever else the step does
    lift_if_random(ctx, "two replicas cannot draw what one does")
    _raise_difference(ctx, difference)


def _difference(ctx: Context, replicas: TrainRun, single: TrainRun, step: int) -> _Difference:
    """What the replicas did at the step at which they part, and what they should have done.

    Statistics of a batch are those of the replica's part: then it is the mean of what one replica does on each part.
    """
    count = replicas.build.num_replicas
    if not _has_batch_statistics(ctx, single):
        before = single.snapshots[step - 1].weights
        return _Difference(step, count, update_of(replicas, step), update_of(single, step), before)
    parts = part_runs(ctx)
    actual, mean = update_of(replicas, 1), mean_update(parts)
    scale = 1 if same_update(ctx, actual, mean) else scale_of_parts(update_of(single, 1), mean, count)
    shares = _shares(ctx, actual, parts, scale)
    whole = _mean_loss(single.logs[0])
    part = sum(share / scale * _mean_loss(run.logs[0]) for share, run in zip(shares, parts, strict=True))
    logged = scale if part and abs(whole / part) > np.sqrt(count) else 1
    return _Difference(
        step=1,
        replicas=count,
        actual=actual,
        expected=weighted_update(parts, shares),
        before=single.snapshots[0].weights,
        reference="the mean of one replica's updates on the two halves",
        parts_loss=logged * part,
    )


def _shares(ctx: Context, actual: Arrays, parts: Sequence[TrainRun], scale: int) -> list[float]:
    """The factors of the parts' updates in what the replicas should do: equal ones that add up to `scale`.

    A count over all replicas (of valid pixels, of positives) weighs the parts by their shares of it instead. How large
    these are cannot be told from one replica, whose batch statistics are others; those that explain all of the actual
    update and add up are believed, and the logged loss has to bear them out.
    """
    equal = [scale / len(parts)] * len(parts)
    if same_update(ctx, actual, weighted_update(parts, equal)):
        return equal
    fitted, _ = shares_of_parts(actual, [update_of(part, 1) for part in parts])
    adds_up = min(fitted) > 0 and np.isclose(sum(fitted), scale, rtol=ctx.tolerance("factor").relative)
    return fitted if adds_up and same_update(ctx, actual, weighted_update(parts, fitted)) else equal


def _has_batch_statistics(ctx: Context, single: TrainRun) -> bool:
    return bool(ctx.trait("batch_statistics")) or keeps_batch_statistics(single)


def _check_mixes(ctx: Context, single: TrainRun) -> None:
    """Raise when the step is declared to mix the examples of a batch, and only weighs them by a count."""
    if keeps_batch_statistics(single):
        return
    shares, mixes = mixing(ctx)
    if not mixes:
        cause, fix = NORMALISER
        raise Violation(
            "the trait 'batch_statistics' is declared, and the step does not mix the examples of a batch: on one "
            f"replica its update is that of the two halves with the factors {shares[0]:.3g} and {shares[1]:.3g}, and "
            "on two replicas each half has the factor 0.5",
            cause=cause,
            fix=f"{fix} And take the declaration back.",
        )


def _first_different_step(ctx: Context, replicas: TrainRun, single: TrainRun) -> int | None:
    """The first step after which the weights differ by more than rounding does, or None."""
    start, tolerance = single.snapshots[0].weights, ctx.tolerance("updates")
    statistics = _has_batch_statistics(ctx, single)
    for step in range(1, len(single.snapshots)):
        ends = replicas.snapshots[step].weights, single.snapshots[step].weights
        # Batch statistics differ by far more than rounding, and measuring that costs runs.
        differ = (
            differing(*ends, start, tolerance=tolerance)
            if statistics
            else differing_beyond_rounding(ctx, *ends, start, step=step)
        )
        if differ:
            return step
    return None


def _check_factor(ctx: Context, difference: _Difference) -> None:
    """Raise when the whole update is a multiple of the expected one."""
    here = difference
    factor = common_factor(here.actual, here.expected, tolerance=ctx.tolerance("factor"), weights=here.before)
    if factor is None or np.isclose(factor, 1.0, rtol=ctx.tolerance("factor").relative):
        return
    cause, fix = cause_of_factor(factor, here.replicas)
    raise Violation(
        f"at step {here.step} the update on {here.replicas} replicas is {factor:.3g} times {here.reference}, in every "
        "weight",
        cause=cause,
        fix=fix,
    )


def _raise_difference(ctx: Context, difference: _Difference) -> None:
    """Raise the violation with the cause that the difference points to."""
    here = difference
    if not all(np.all(np.isfinite(value)) for value in here.actual.values()):
        raise Violation(
            f"at step {here.step} the update on {here.replicas} replicas is not finite, and {here.reference} is",
            cause="something divides by a count that is zero on one replica",
            fix="Use tf.math.divide_no_nan, or a count taken over all replicas.",
        )
    still = {name: np.zeros_like(value) for name, value in here.expected.items()}
    names = differing(here.actual, here.expected, still, tolerance=ctx.tolerance("updates"))
    cause, fix = cause_of_difference(ctx, here.actual, here.expected, here.before, names, first=here.step == 1)
    nearest = projection(here.actual, here.expected)
    raise Violation(
        f"at step {here.step} the update on {here.replicas} replicas is not {here.reference}, nor a multiple of it: "
        f"{describe_changes(here.expected, here.actual, names)}; the nearest multiple is {nearest:.4g} times it",
        cause=cause,
        fix=fix,
    )


def _check_logged_loss(ctx: Context, replicas: TrainRun, expected: list[float]) -> None:
    """Compare the mean over replicas of the logged loss, at each step that there is a reference for."""
    for step, (logs, reference) in enumerate(zip(replicas.logs, expected, strict=False), start=1):
        logged = _mean_loss(logs)
        if ctx.tolerance("loss").allows(logged, reference):
            continue
        count = len(logs)
        ratio = logged / reference if reference else float("nan")
        cause, fix = cause_of_logged_loss(ratio, count)
        raise Violation(
            f"the weights agree, and at step {step} the logged loss, averaged over {count} replicas, is "
            f"{logged:.6g} where one replica logs {reference:.6g}, a factor of {ratio:.3g}",
            cause=cause,
            fix=fix,
        )


def _check_metrics(ctx: Context, replicas: TrainRun, single: TrainRun) -> None:
    """Look for training metrics that are off by the number of replicas.

    Other differences are not blamed here: a mean over steps of a value that is not linear in the examples may differ.
    """
    count = replicas.build.num_replicas
    for ours, reference in zip(_metric_values(replicas), _metric_values(single), strict=False):
        name, value, wanted = ours[0], ours[1], reference[1]
        for factor in (float(count), 1.0 / count):
            off = not ctx.tolerance("metrics").allows(value, wanted)
            if off and ctx.tolerance("metrics").allows(value, factor * np.asarray(wanted)):
                raise Violation(
                    f"the weights agree, and the training metric {name!r} is {_shown(value)} on {count} replicas and "
                    f"{_shown(wanted)} on one, a factor of {factor:.3g}",
                    cause="the metric adds up something that is counted once per replica and not once per example",
                    fix="Update the metric with values of the replica's examples, and let Keras add the replicas up.",
                )


def _metric_values(run: TrainRun) -> list[tuple[str, Any]]:
    """The results of the training metrics after the last step, those that are plain numbers."""
    values: list[tuple[str, Any]] = []
    for metric in run.build.train_metrics:
        result = metric_result(metric)
        parts = result.items() if isinstance(result, Mapping) else [(metric.name, result)]
        values.extend((name, value) for name, value in parts if np.issubdtype(value.dtype, np.number))
    return values


def _shown(value: Any) -> str:
    return f"{float(value):.6g}" if np.ndim(value) == 0 else str(np.round(value, 6).tolist())


def _mean_loss(logs: list[Any]) -> float:
    """The mean over replicas of the logged loss; NaN where a step logs none (that is another rule's affair)."""
    losses = [np.mean(as_numpy(entry[LOSS]), dtype=np.float64) for entry in logs if LOSS in entry]
    return float(np.mean(losses)) if losses else float("nan")


class _NotDivided(SoundTask):
    def replica_share(self, loss: Any) -> Any:
        return loss


class _DividedTwice(SoundTask):
    def replica_share(self, loss: Any) -> Any:
        return super().replica_share(super().replica_share(loss))


class _DecayPerReplica(SoundTask):
    """Divides the mean over the examples, and adds the regularisation afterwards."""

    def build_losses(self, labels: Any, model_outputs: Any, aux_losses: Any = None) -> Any:
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        return super().build_losses(labels, model_outputs) + replicas * tf.add_n(aux_losses)


class _CountedPerReplica(SoundTask):
    """Ignores class 0, and divides by the number of other examples that this replica happens to have."""

    def build_losses(self, labels: Any, model_outputs: Any, aux_losses: Any = None) -> Any:
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=model_outputs)
        valid = tf.cast(labels > 0, tf.float32)
        return tf.math.divide_no_nan(tf.reduce_sum(losses * valid), tf.reduce_sum(valid))


class _WeighsClasses(SoundTask):
    """Gives each class the same weight, by its frequency in this replica's part."""

    def build_losses(self, labels: Any, model_outputs: Any, aux_losses: Any = None) -> Any:
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=model_outputs)
        counts = tf.reduce_sum(tf.one_hot(labels, model_outputs.shape[-1]), axis=0)
        return tf.reduce_mean(losses / tf.gather(counts, labels)) * 3.0


class _SumsByHand(SoundTask):
    """Sums the gradients over the replicas, and leaves it to the optimizer to do it again."""

    def apply(self, optimizer: Any, gradients: Any, variables: Any) -> None:
        context = tf.distribute.get_replica_context()
        if context.num_replicas_in_sync > 1:
            gradients = context.all_reduce(tf.distribute.ReduceOp.SUM, gradients)
        super().apply(optimizer, gradients, variables)


class _ClipsPerReplica(SoundTask):
    def apply(self, optimizer: Any, gradients: Any, variables: Any) -> None:
        clipped, _ = tf.clip_by_global_norm(gradients, 0.05)
        super().apply(optimizer, clipped, variables)


class _LogsTheShare(SoundTask):
    def train_logs(self, loss: Any) -> dict[str, Any]:
        return {self.loss: self.replica_share(loss)}


class _LogsTheSum(SoundTask):
    """Logs the loss summed over the replicas."""

    def train_logs(self, loss: Any) -> dict[str, Any]:
        context = tf.distribute.get_replica_context()
        several = context.num_replicas_in_sync > 1
        return {self.loss: context.all_reduce(tf.distribute.ReduceOp.SUM, loss) if several else loss}


class _LogsItsOwnMean(SoundTask):
    """Trains on the mean over all examples, and logs the mean over this replica's examples of class 0."""

    def build_losses(self, labels: Any, model_outputs: Any, aux_losses: Any = None) -> Any:
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=model_outputs)
        valid = tf.cast(labels == 0, tf.float32)
        self._logged = tf.math.divide_no_nan(tf.reduce_sum(losses * valid), tf.reduce_sum(valid))
        return super().build_losses(labels, model_outputs, aux_losses)

    def train_logs(self, loss: Any) -> dict[str, Any]:
        return {self.loss: self._logged}


class _CountsEachReplica(SoundTask):
    def build_metrics(self, training: bool = True) -> list[Any]:
        return [tf.keras.metrics.Sum(name="steps")]

    def process_metrics(self, metrics: Any, labels: Any, model_outputs: Any) -> None:
        for metric in metrics:
            metric.update_state(1.0)


MUTANTS = (
    Subject(_NotDivided, name="loss not divided by the replicas"),
    Subject(_DividedTwice, name="loss divided twice"),
    Subject(lambda: _DecayPerReplica(weight_decay=0.01), name="regularisation counted per replica"),
    Subject(_CountedPerReplica, name="normaliser counted per replica"),
    Subject(
        _CountedPerReplica, traits={"batch_statistics": True}, name="normaliser counted per replica, declared as mixing"
    ),
    Subject(_WeighsClasses, name="examples weighed by a count of the replica"),
    Subject(_SumsByHand, name="gradients summed by hand and by the optimizer"),
    Subject(_ClipsPerReplica, name="gradients clipped before the sum over replicas"),
    Subject(lambda: _NotDivided(batch_norm=True), name="batch norm, and loss not divided by the replicas"),
    Subject(_LogsTheShare, name="logs the divided loss"),
    Subject(_LogsTheSum, name="logs the sum over replicas"),
    Subject(_LogsItsOwnMean, name="logs a mean of means"),
    Subject(_CountsEachReplica, name="a metric counts each replica"),
)
TWIN = SOUND_TASK
