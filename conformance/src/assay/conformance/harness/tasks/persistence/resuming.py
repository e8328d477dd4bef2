"""A run that saves on its way, and its continuation in a new process: what exact resume is judged by.

The run takes `STEPS` steps and writes a checkpoint after `SAVED_AT`. The continuation is a new process that has never
seen the run: it makes the Task, the model, the optimizer, the metrics and the pipeline, restores the checkpoint and
takes the steps that are left. A process that is killed after the save leaves behind what this one is given: the files.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness.flavour import set_random_seed
from assay.conformance.harness.tasks.build import Build, build_task
from assay.conformance.harness.tasks.persistence.checkpoints import GLOBAL_STEP, ITERATOR, checkpoint_of, read, write
from assay.conformance.harness.tasks.persistence.pipelines import (
    digest_of,
    next_batch,
    training_data,
    transformations,
    why_unsaved,
)
from assay.conformance.harness.tasks.random_layers import silence_random_layers
from assay.conformance.harness.tasks.runs import metric_result
from assay.conformance.harness.tasks.snapshots import Snapshot, snapshot
from assay.conformance.harness.tasks.steps import Stepper
from assay.conformance.harness.values import nested_as_numpy
from assay.conformance.model.vocabulary import Mode, Target
from assay.conformance.processes.carrying import Parcel, pack, unpack
from assay.conformance.processes.folders import KeptFolder
from assay.conformance.processes.new_process import run_in_new_process, warm_up

STEPS = 4
SAVED_AT = 2
MOMENTUM = 0.9  # so that the optimizer has slots
_MOST_ELEMENTS = 10**6  # a larger array of a Task is its data


@dataclasses.dataclass(frozen=True, eq=False)
class Steps:
    """What steps of a run did.

    Attributes:
      digests: A digest of each step's batch.
      logs: What each step returned, one entry a replica, as NumPy values.
      end: The variables after the last step.
      metrics: The results of the training metrics after the last step, by name.
    """

    digests: tuple[str, ...]
    logs: tuple[Any, ...]
    end: Snapshot
    metrics: Mapping[str, Any]


@dataclasses.dataclass(frozen=True, eq=False)
class SavedRun:
    """A run that was not interrupted, and wrote a checkpoint on its way.

    Attributes:
      path: The checkpoint.
      folder: Where it is; the files live as long as this object.
      build: What ran. Do not run it again.
      before: The digests of the batches up to the checkpoint.
      saved: The variables when it was written.
      after: The steps after it.
      unsaved: Why the position in the data is not in it: an operation and a sentence; None when it is.
      transformations: The transformations of the pipeline, from the last to the source.
      moved: The attributes of the Task that its steps changed: Python state, which no checkpoint holds.
    """

    path: str
    folder: KeptFolder
    build: Build
    before: tuple[str, ...]
    saved: Snapshot
    after: Steps
    unsaved: tuple[str, str] | None
    transformations: tuple[str, ...]
    moved: tuple[str, ...]


@dataclasses.dataclass(frozen=True, eq=False)
class ResumedRun:
    """The continuation of a run.

    Attributes:
      unmatched: What TensorFlow's assertions said of the restore; empty when they said nothing.
      restored: The variables after the restore and before the first step.
      after: The steps.
    """

    unmatched: str
    restored: Snapshot
    after: Steps


def saved_run(ctx: Context, *, mode: Mode | None = None, silenced: bool = False, repetition: int = 0) -> SavedRun:
    """Return the run that saves on its way, shared by all rules that ask for the same.

    Args:
      ctx: The check's context.
      mode: The mode; the context's own when None.
      silenced: Whether random layers are switched off.
      repetition: Tells repetitions of the same run apart.

    Raises:
      SubjectError: If the subject's code raises.
    """
    mode = mode or ctx.mode
    warm_up()
    return ctx.share(
        ("saved run", mode, silenced, repetition), lambda: _run_and_save(ctx.in_mode(mode), silenced=silenced)
    )


def resumed_run(ctx: Context, *, silenced: bool = False) -> ResumedRun:
    """Return the continuation of `saved_run`, shared likewise: in a new process, or in a new build here.

    It is a new build on replicas, since what a new process lacks is found on one replica, at a fraction of the cost,
    and on a TPU, which belongs to one process at a time.

    Raises:
      SubjectError: If the subject's code raises there.
      NotRun: If the subject cannot be made in a new process.
    """

    def resume() -> ResumedRun:
        run = saved_run(ctx, silenced=silenced)
        if not in_new_process(ctx):
            return _resume(ctx, run.path, with_data=run.unsaved is None, silenced=silenced)
        return run_in_new_process(
            resume_there,
            ctx.target,
            f"resuming in a new process, mode {ctx.mode}",
            parcel=pack(ctx),
            path=run.path,
            with_data=run.unsaved is None,
            silenced=silenced,
        )

    return ctx.share(("resumed run", ctx.mode, silenced), resume)


def in_new_process(ctx: Context) -> bool:
    """Whether the continuation of a run is a new process, and not a new build in this one."""
    return ctx.mode is not Mode.REPLICAS and ctx.target is not Target.TPU


def resume_there(parcel: Parcel, path: str, *, with_data: bool, silenced: bool) -> ResumedRun:
    """Restore a checkpoint and take the steps that are left: what the new process does."""
    return _resume(unpack(parcel), path, with_data=with_data, silenced=silenced)


def _resume(ctx: Context, path: str, *, with_data: bool, silenced: bool) -> ResumedRun:
    build = _build(ctx, silenced=silenced, equal_start=False)
    dataset = training_data(build)
    iterator = iter(dataset)
    checkpoint = checkpoint_of(build, **_further(0, iterator if with_data else None))
    unmatched = read(build, checkpoint, path)
    restored = snapshot(build)
    set_random_seed(build.seed)
    return ResumedRun(unmatched, restored, _take_steps(build, iterator, _stepper(build), SAVED_AT + 1, STEPS))


def python_state(task: Any) -> dict[str, Any]:
    """Return what a Task keeps in plain Python attributes: numbers, texts and arrays, by name."""
    kept = getattr(task, "__dict__", {})
    plain = {name: value for name, value in kept.items() if isinstance(value, bool | int | float | str)}
    arrays = {name: value for name, value in kept.items() if isinstance(value, np.ndarray)}
    return plain | {name: value.copy() for name, value in arrays.items() if value.size <= _MOST_ELEMENTS}


def _run_and_save(ctx: Context, *, silenced: bool) -> SavedRun:
    folder = KeptFolder("assay-saved-")
    build = _build(ctx, silenced=silenced, equal_start=True)
    dataset = training_data(build)
    iterator = iter(dataset)
    unsaved = why_unsaved(dataset, iterator)
    set_random_seed(build.seed)
    stepper, kept = _stepper(build), python_state(build.task)
    before = _take_steps(build, iterator, stepper, 1, SAVED_AT)
    further = _further(SAVED_AT, iterator if unsaved is None else None)
    path = write(checkpoint_of(build, **further), f"{folder.name}/checkpoint")
    after = _take_steps(build, iterator, stepper, SAVED_AT + 1, STEPS)
    now = python_state(build.task)
    moved = tuple(sorted(name for name in now if not np.array_equal(now[name], kept.get(name, ()))))
    chain = tuple(transformations(dataset))
    return SavedRun(path, folder, build, before.digests, before.end, after, unsaved, chain, moved)


def _build(ctx: Context, *, silenced: bool, equal_start: bool) -> Build:
    build = build_task(ctx, momentum=MOMENTUM, equal_start=equal_start)
    if silenced:
        silence_random_layers(build.model)
    return build


def _further(step: int, iterator: Any) -> dict[str, Any]:
    import tensorflow as tf

    further: dict[str, Any] = {GLOBAL_STEP: tf.Variable(step, dtype=tf.int64, trainable=False)}
    return further if iterator is None else {**further, ITERATOR: iterator}


def _stepper(build: Build) -> Stepper:
    def step(batch: Any) -> Any:
        return build.task.train_step(batch, build.model, build.optimizer, metrics=list(build.train_metrics))

    return Stepper(build, step, name="train_step")


def _take_steps(build: Build, iterator: Any, stepper: Stepper, first: int, last: int) -> Steps:
    digests, logs = [], []
    for step in range(first, last + 1):
        batch = next_batch(iterator, step)
        digests.append(digest_of(batch))
        logs.append(nested_as_numpy(stepper(batch)))
    results = {metric.name: metric_result(metric) for metric in build.train_metrics}
    return Steps(tuple(digests), tuple(logs), snapshot(build), results)


def differing_steps(one: Sequence[Any], other: Sequence[Any], *, only: str | None = None) -> list[int]:
    """Return the steps, counted from the start of the run, whose logs are not the same bit for bit.

    Args:
      one: The logs of steps: for each, what each replica returned.
      other: The same of the other run.
      only: Look at this entry of the logs alone.
    """
    import tensorflow as tf

    def leaves(logs: Any) -> list[Any]:
        wanted = [{only: one.get(only)} if only and isinstance(one, Mapping) else one for one in logs]
        return list(tf.nest.flatten(wanted))

    def same(left: Any, right: Any) -> bool:
        pair = leaves(left), leaves(right)
        return len(pair[0]) == len(pair[1]) and all(map(_equal, *pair))

    return [SAVED_AT + 1 + index for index, pair in enumerate(zip(one, other, strict=True)) if not same(*pair)]


def _equal(one: Any, other: Any) -> bool:
    left, right = np.asarray(one), np.asarray(other)
    return left.shape == right.shape and bool(
        np.array_equal(left, right, equal_nan=np.issubdtype(left.dtype, np.inexact))
    )
