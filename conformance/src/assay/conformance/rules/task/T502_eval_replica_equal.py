"""T502 eval-replica-equal: an evaluation on replicas reports what an evaluation on one replica does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness.tasks import (
    SINGLE,
    Account,
    evaluation_runner,
    explain_replicas,
    head_of,
    numbers_in,
    reported_values,
    rows_of,
    validation_batches,
)
from assay.conformance.lazy import tf
from assay.conformance.model import Level, Mode, NotApplicable, Rule, Subject, Target, Violation
from assay.conformance.specimens import SOUND_TASK, SoundTask

RULE = Rule(
    id="T502",
    slug="eval-replica-equal",
    level=Level.MUST,
    requirement="Validation metrics and aggregated logs are the same on replicas as on one replica, with a last batch "
    "that does not split evenly.",
    checks=(
        "Evaluates up to three validation batches of the Task's own batch size on one replica and on two that get half "
        "of each, the last one cut to an odd number of examples, and compares the result of every validation metric "
        "and every number of `reduce_aggregated_logs`. Where one differs, one replica evaluates the parts that the "
        "replicas had, which tells a lost replica from a mean of means."
    ),
    why=(
        "Evaluation runs on as many devices as training. A value that takes the logs of the first replica reports half "
        "of the data on 2 GPUs and an eighth on 8; a mean over replicas gives a part of three examples the weight of "
        "one of four. The number then changes with the machine, and nobody knows which of the two was published."
    ),
    bad="""
def aggregate_logs(self, state, step_logs):
    state = state or MeanIoU(self.num_classes)
    state.update_state(step_logs["labels"][0], step_logs["logits"][0])  # the first replica's alone
    return state
""",
    good="""
def aggregate_logs(self, state, step_logs):
    state = state or MeanIoU(self.num_classes)
    for labels, logits in zip(step_logs["labels"], step_logs["logits"]):  # a tuple over the replicas
        state.update_state(labels, logits)
    return state
""",
    modes=(Mode.REPLICAS,),
    targets=(Target.CPU, Target.GPU, Target.TPU),
    traits=("random_inference",),
    references=("tensorflow/tensorflow#39268",),
)

_WHOLE_BATCHES = 2


def check(ctx: Context) -> None:
    """Compare what two replicas report with what one does."""
    ctx.not_applicable_if("random_inference")
    batches = _batches(ctx)
    if not batches or rows_of(batches[0]) < 2:
        raise NotApplicable("The validation data has no batch of two examples, which two replicas could share.")
    single, replicas = (evaluation_runner(ctx, mode)(batches) for mode in (SINGLE, ctx.mode))
    if not single.evaluation.metrics and not numbers_in(single.evaluation.reduced):
        raise NotApplicable("The Task has no validation metrics, and reduce_aggregated_logs gives no numbers.")
    _check_names(single, replicas)
    expected, values = reported_values(single.evaluation), reported_values(replicas.evaluation)
    allowed = ctx.tolerance("metrics")
    for name, wanted in expected.items():
        if not allowed.allows(values[name], wanted):
            _raise_difference(ctx, name, wanted, replicas)
    _check_arrays(ctx, single, replicas)


def _batches(ctx: Context) -> list[Any]:
    """The first batches and the last, which is cut where it would split evenly."""
    found = list(validation_batches(ctx))
    if not found:
        return []
    rows = rows_of(found[-1])
    return [*found[: min(_WHOLE_BATCHES, len(found) - 1)], head_of(found[-1], rows - 1 + rows % 2)]


def _check_names(single: Account, replicas: Account) -> None:
    """Raise when the replicas do not report under the same names."""
    names = [sorted(reported_values(account.evaluation)) for account in (single, replicas)]
    missing = [name for name in names[0] if name not in names[1]]
    if missing:
        raise Violation(
            f"one replica reports {missing}, and two do not",
            cause="aggregate_logs or reduce_aggregated_logs depends on how many replicas there are",
            fix="Treat each leaf of step_logs as a tuple of any length, one entry a replica.",
        )


def _raise_difference(ctx: Context, name: str, wanted: float, replicas: Account) -> None:
    value = reported_values(replicas.evaluation)[name]
    count = replicas.evaluation.build.num_replicas
    ratio = value / wanted if wanted else float("nan")
    what, cause, fix = explain_replicas(ctx, name, replicas) or _from_factor(value, ratio, count)
    parts = ", ".join(map(str, replicas.rows))
    raise Violation(
        f"{name!r} is {value:.6g} on {count} replicas and {wanted:.6g} on one, over the same batches of {parts} "
        f"examples, a factor of {ratio:.4g}: {what}",
        cause=cause,
        fix=fix,
    )


def _from_factor(value: float, ratio: float, replicas: int) -> tuple[str, str, str]:
    """Explain a value that no part of the data explains."""
    add = "Let each replica report sums and counts of its own examples; add them up once, and divide at the end."
    if not np.isfinite(value):
        return "it is not a number", "something is divided by the number of examples of a replica that has none", add
    if np.isclose(ratio, replicas, rtol=0.05):
        return (
            "every replica counts as much as the whole batch",
            "the values of the replicas are added although each is a mean, or stands for all replicas already",
            add,
        )
    if np.isclose(ratio, 1 / replicas, rtol=0.05):
        return (
            "the replicas' values are divided by their number",
            "sums of the replicas' examples are averaged, or divided by num_replicas_in_sync",
            add,
        )
    return (
        "no replica's part alone accounts for it",
        "the value of an example depends on which others share its replica, or replicas are weighed by another number",
        add,
    )


def _check_arrays(ctx: Context, single: Account, replicas: Account) -> None:
    """Compare the results of metrics that are arrays: one value a class, a confusion matrix."""
    ours, wanted = _arrays(replicas.evaluation.metrics), _arrays(single.evaluation.metrics)
    for name, expected in wanted.items():
        value = ours.get(name)
        if value is None or value.shape != expected.shape or not ctx.tolerance("metrics").allows(value, expected):
            total = float(np.sum(expected))
            factor = (
                f", a factor of {float(np.sum(value)) / total:.3g} in their sums" if value is not None and total else ""
            )
            raise Violation(
                f"the metric {name!r} has other values on replicas than on one{factor}",
                cause="the replicas' states are not added up, or a replica is left out",
                fix="Create the metric's variables with `add_weight`, so that Keras adds up those of the replicas.",
            )


def _arrays(metrics: Mapping[str, Any]) -> dict[str, np.ndarray]:
    return {name: value for name, value in metrics.items() if isinstance(value, np.ndarray) and value.ndim}


class _FirstReplicaOnly(SoundTask):
    def aggregate_logs(self, state: Any, step_logs: Any) -> dict[str, float]:
        return super().aggregate_logs(state, {key: parts[:1] for key, parts in step_logs.items()})


class _MeansReplicas(SoundTask):
    """Averages the error rates of the replicas, and weighs the batches rightly."""

    def aggregate_logs(self, state: Any, step_logs: Any) -> dict[str, float]:
        state = state or {"wrong": 0.0, "seen": 0.0}
        seen = [float(part) for part in step_logs["seen"]]
        rates = [1.0 - float(hits) / max(own, 1.0) for hits, own in zip(step_logs["correct"], seen, strict=True)]
        return {"wrong": state["wrong"] + float(np.mean(rates)) * sum(seen), "seen": state["seen"] + sum(seen)}

    def reduce_aggregated_logs(self, aggregated_logs: Any, global_step: Any = None) -> dict[str, float]:
        return {"error_rate": aggregated_logs["wrong"] / max(aggregated_logs["seen"], 1.0)}


class _AddsMeans(SoundTask):
    """Adds the mean losses of the replicas."""

    def aggregate_logs(self, state: Any, step_logs: Any) -> Any:
        loss, seen = (sum(float(part) for part in step_logs[key]) for key in (self.loss, "seen"))
        return [*(state or []), (loss, seen)]

    def reduce_aggregated_logs(self, aggregated_logs: Sequence[tuple[float, float]], global_step: Any = None) -> Any:
        total = sum(loss * seen for loss, seen in aggregated_logs)
        return {"validation_loss": total / sum(seen for _, seen in aggregated_logs)}


class _SumsOverReplicasTwice(SoundTask):
    """Adds up over the replicas by hand what Keras adds up again."""

    def build_metrics(self, training: bool = True) -> list[Any]:
        return super().build_metrics(training) if training else [tf.keras.metrics.Sum(name="mistakes")]

    def process_metrics(self, metrics: Any, labels: Any, model_outputs: Any) -> None:
        wrong = tf.argmax(model_outputs, axis=-1, output_type=labels.dtype) != labels
        mistakes = tf.reduce_sum(tf.cast(wrong, tf.float32))
        context = tf.distribute.get_replica_context()
        if context is not None and context.num_replicas_in_sync > 1:
            mistakes = context.all_reduce(tf.distribute.ReduceOp.SUM, mistakes)
        for metric in metrics:
            if metric.name == "mistakes":
                metric.update_state(mistakes)
            else:
                metric.update_state(labels, model_outputs)


class _MeansParts(SoundTask):
    """Updates a mean with the mean of the replica's part, weighed by the size that the whole batch should have."""

    def process_metrics(self, metrics: Any, labels: Any, model_outputs: Any) -> None:
        for metric in metrics:
            if metric.name == "confidence":
                metric.update_state(tf.reduce_mean(tf.reduce_max(tf.nn.softmax(model_outputs), axis=-1)))
            else:
                metric.update_state(labels, model_outputs)


MUTANTS = (
    Subject(_FirstReplicaOnly, name="aggregates the first replica's logs"),
    Subject(_MeansReplicas, name="means the rates of the replicas"),
    Subject(_AddsMeans, name="adds the mean losses of the replicas"),
    Subject(_SumsOverReplicasTwice, name="a metric summed over replicas twice"),
    Subject(_MeansParts, name="a metric of means over parts"),
)
TWIN = SOUND_TASK
