"""Training and validation runs, recorded: what the logs were, what changed, and how often the steps were traced."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence, Sized
from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness.calls import calling
from assay.conformance.harness.flavour import set_random_seed
from assay.conformance.harness.tasks.batches import training_batches, validation_batches
from assay.conformance.harness.tasks.build import Build, build_task
from assay.conformance.harness.tasks.optimizers import applied_gradients
from assay.conformance.harness.tasks.snapshots import Snapshot, snapshot
from assay.conformance.harness.tasks.steps import Stepper
from assay.conformance.harness.values import as_numpy
from assay.conformance.model.vocabulary import Mode

DEFAULT_STEPS = 3


@dataclasses.dataclass(frozen=True, eq=False)
class TrainRun:
    """A recorded training run.

    Attributes:
      build: What ran. Do not run it again: other rules read this record.
      batches: The global batches, one a step.
      logs: `logs[step][replica]` is what `train_step` returned.
      snapshots: The variables before the first step and after each.
      signatures: The signature of each trace; empty in eager mode.
      gradients: `gradients[step]` is a list of calls of the optimizer, each a list of `(gradient or None, variable)`;
        filled in eager mode only.
    """

    build: Build
    batches: tuple[Any, ...]
    logs: tuple[list[Any], ...]
    snapshots: tuple[Snapshot, ...]
    signatures: tuple[str, ...]
    gradients: tuple[list[list[tuple[Any, Any]]], ...]


@dataclasses.dataclass(frozen=True, eq=False)
class Evaluation:
    """A recorded pass over validation data.

    Attributes:
      build: What ran.
      batches: The global batches.
      logs: `logs[step][replica]` is what `validation_step` returned.
      before: The variables after the metrics were reset and before the first step.
      after: The variables after the last step.
      metrics: The result of each validation metric by name, as NumPy values.
      reduced: What `reduce_aggregated_logs` returned, or an empty dict.
      signatures: The signature of each trace; empty in eager mode.
    """

    build: Build
    batches: tuple[Any, ...]
    logs: tuple[list[Any], ...]
    before: Snapshot
    after: Snapshot
    metrics: Mapping[str, Any]
    reduced: Mapping[str, Any]
    signatures: tuple[str, ...]


def train_run(ctx: Context, *, steps: int = DEFAULT_STEPS, mode: Mode | None = None) -> TrainRun:
    """Return the run of a few training steps on consecutive batches, shared by all rules that ask for the same.

    Args:
      ctx: The check's context.
      steps: How many steps.
      mode: The mode; the context's own when None.
    """
    mode = mode or ctx.mode
    return ctx.share(
        ("train run", mode, steps),
        lambda: train(build_task(ctx, mode=mode), training_batches(ctx, steps)),
    )


def validation_run(ctx: Context, *, mode: Mode | None = None) -> Evaluation:
    """Return one pass over the validation data with a model that has not been trained, shared by all rules."""
    mode = mode or ctx.mode
    return ctx.share(
        ("validation run", mode), lambda: evaluate(build_task(ctx, mode=mode, momentum=0.9), validation_batches(ctx))
    )


def train(build: Build, batches: Sequence[Any], *, before_step: Callable[[], None] | None = None) -> TrainRun:
    """Take one training step a batch and record it.

    Args:
      build: What to run.
      batches: The global batches.
      before_step: Called before each step: it may put variables back.

    Raises:
      SubjectError: If `train_step` raises.
    """

    def step(batch: Any) -> Any:
        return build.task.train_step(batch, build.model, build.optimizer, metrics=list(build.train_metrics))

    set_random_seed(build.seed)
    stepper = Stepper(build, step, name="train_step")
    logs, gradients, snapshots = [], [], [snapshot(build)]
    for batch in batches:
        if before_step is not None:
            before_step()
        seen = len(applied_gradients(build.optimizer))
        logs.append(stepper(batch))
        gradients.append(applied_gradients(build.optimizer)[seen:])
        snapshots.append(snapshot(build))
    return TrainRun(build, tuple(batches), tuple(logs), tuple(snapshots), tuple(stepper.signatures), tuple(gradients))


def evaluate(
    build: Build,
    batches: Sequence[Any],
    *,
    stepper: Stepper | None = None,
    after_call: Callable[[str], None] | None = None,
) -> Evaluation:
    """Reset the validation metrics, take one validation step a batch, aggregate the logs, and record it.

    The protocol is the loop's: `aggregate_logs(None, first)`, then `aggregate_logs(state, next)`, with each leaf of the
    logs a tuple over the replicas, and `reduce_aggregated_logs(state)` at the end.

    Args:
      build: What to run.
      batches: The global batches.
      stepper: A stepper of `validation_stepper(build)`, to take a second pass without tracing again.
      after_call: Called with `validation_step` or `aggregate_logs` each time that one of them has returned.

    Raises:
      SubjectError: If the subject's code raises.
    """
    stepper = stepper or validation_stepper(build)
    set_random_seed(build.seed)
    for metric in build.validation_metrics:
        reset_metric(metric)
    before = snapshot(build)
    logs: list[list[Any]] = []
    state = None
    after_call = after_call or (lambda called: None)
    for batch in batches:
        logs.append(stepper(batch))
        after_call("validation_step")
        state = _aggregate(build.task, state, logs[-1])
        after_call("aggregate_logs")
    after = snapshot(build)
    return Evaluation(
        build=build,
        batches=tuple(batches),
        logs=tuple(logs),
        before=before,
        after=after,
        metrics={metric.name: metric_result(metric) for metric in build.validation_metrics},
        reduced=_reduce(build.task, state),
        signatures=tuple(stepper.signatures),
    )


def validation_stepper(build: Build, *, any_length: bool = False) -> Stepper:
    """Return the stepper of the build's `validation_step` with its validation metrics; see `Stepper`."""

    def step(batch: Any) -> Any:
        return build.task.validation_step(batch, build.model, metrics=list(build.validation_metrics))

    return Stepper(build, step, name="validation_step", any_length=any_length)


def reset_metric(metric: Any) -> None:
    """Reset a metric, under either of the names that the method has had."""
    reset = getattr(metric, "reset_state", None) or metric.reset_states
    with calling(f"resetting the metric {metric.name!r}"):
        reset()


def metric_result(metric: Any) -> Any:
    """Return a metric's result as NumPy values; a dict stays a dict."""
    with calling(f"the result of the metric {metric.name!r}"):
        result = metric.result()
    return {key: as_numpy(value) for key, value in result.items()} if isinstance(result, Mapping) else as_numpy(result)


def _aggregate(task: Any, state: Any, replica_logs: list[Any]) -> Any:
    """One call of `aggregate_logs`, each leaf a tuple over the replicas."""
    import tensorflow as tf

    if not callable(getattr(task, "aggregate_logs", None)):
        return None
    step_logs = tf.nest.map_structure(lambda *leaves: leaves, *replica_logs)
    with calling("aggregate_logs"):
        return task.aggregate_logs(state, step_logs)


def _reduce(task: Any, state: Any) -> Mapping[str, Any]:
    nothing = state is None or (isinstance(state, Sized) and not isinstance(state, np.ndarray) and not len(state))
    if nothing or not callable(getattr(task, "reduce_aggregated_logs", None)):
        return {}
    with calling("reduce_aggregated_logs"):
        return task.reduce_aggregated_logs(state) or {}
