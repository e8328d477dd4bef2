"""What a target must be able to compile of a Task: its train step and its validation step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from assay.conformance.context import Context
from assay.conformance.harness.tasks.batches import split_batch, training_batches, validation_batches
from assay.conformance.harness.tasks.build import Build, build_task
from assay.conformance.harness.tasks.runs import DEFAULT_STEPS
from assay.conformance.harness.tasks.traced import TRAIN_STEP, VALIDATION_STEP
from assay.conformance.model.vocabulary import Mode
from assay.conformance.targets.programs import Program
from assay.conformance.targets.tpu.replicas import one_of

_HALF = "mixed_bfloat16"


def step_programs(ctx: Context) -> list[Program]:
    """Return the steps of a Task on their first batches, with the variables of a build of their own.

    In the mode `mixed_precision` they are those of a model made under the policy of TPUs, `mixed_bfloat16`; in the mode
    `replicas` they are what one of a TPU's devices runs together with the others, on its share of the batch.

    Args:
      ctx: The check's context.

    Raises:
      SubjectError: If the Task cannot be built.
    """
    mode = ctx.mode if ctx.mode in (Mode.MIXED_PRECISION, Mode.REPLICAS) else Mode.XLA
    return ctx.share(("step programs", mode), lambda: _make(ctx, mode))


def _make(ctx: Context, mode: Mode) -> list[Program]:
    replicas = ctx.session.topology.devices if mode is Mode.REPLICAS else 1
    build = build_task(
        ctx,
        mode=Mode.GRAPH,
        precision=_HALF if mode is Mode.MIXED_PRECISION else None,
        strategy=one_of(replicas) if replicas > 1 else None,
    )

    def train(batch: Any) -> Any:
        return build.task.train_step(batch, build.model, build.optimizer, metrics=list(build.train_metrics))

    def validate(batch: Any) -> Any:
        return build.task.validation_step(batch, build.model, metrics=list(build.validation_metrics))

    steps: list[tuple[str, Callable[[Any], Any], tuple[Any, ...]]] = [
        (TRAIN_STEP, train, training_batches(ctx, DEFAULT_STEPS)[:1]),
        (VALIDATION_STEP, validate, validation_batches(ctx)[:1]),
    ]
    what = {Mode.MIXED_PRECISION: f" in {_HALF}", Mode.REPLICAS: " of a replica"}.get(mode, "")
    return [
        Program(
            f"{name}{what}",
            _as_replica(build, step) if replicas > 1 else step,
            (split_batch(batches[0], replicas)[0],) if replicas > 1 else tuple(batches),
            build.placed,
            replicas,
        )
        for name, step, batches in steps
        if batches
    ]


def _as_replica(build: Build, step: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def run(batch: Any) -> Any:
        return build.strategy.run(step, args=(batch,))

    return run
