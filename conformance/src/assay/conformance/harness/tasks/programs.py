"""What a target must be able to compile of a Task: its train step and its validation step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from assay.conformance.context import Context
from assay.conformance.harness.tasks.batches import training_batches, validation_batches
from assay.conformance.harness.tasks.build import build_task
from assay.conformance.harness.tasks.runs import DEFAULT_STEPS
from assay.conformance.harness.tasks.traced import TRAIN_STEP, VALIDATION_STEP
from assay.conformance.model.vocabulary import Mode
from assay.conformance.targets.programs import Program


def step_programs(ctx: Context) -> list[Program]:
    """Return the steps of a Task on their first batches, with the variables of a build of their own.

    Raises:
      SubjectError: If the Task cannot be built.
    """

    def make() -> list[Program]:
        build = build_task(ctx, mode=Mode.GRAPH)

        def train(batch: Any) -> Any:
            return build.task.train_step(batch, build.model, build.optimizer, metrics=list(build.train_metrics))

        def validate(batch: Any) -> Any:
            return build.task.validation_step(batch, build.model, metrics=list(build.validation_metrics))

        steps: list[tuple[str, Callable[[Any], Any], tuple[Any, ...]]] = [
            (TRAIN_STEP, train, training_batches(ctx, DEFAULT_STEPS)[:1]),
            (VALIDATION_STEP, validate, validation_batches(ctx)[:1]),
        ]
        return [Program(name, step, tuple(batches), build.placed) for name, step, batches in steps if batches]

    return ctx.share("step programs", make)
