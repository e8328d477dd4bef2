"""The graphs of a Task's steps, traced on a first batch and not run."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from typing import Any

from assay.conformance.context import Context
from assay.conformance.harness.calls import calling
from assay.conformance.harness.tasks.batches import training_batches, validation_batches
from assay.conformance.harness.tasks.build import build_task
from assay.conformance.harness.tasks.containers import fresh_containers
from assay.conformance.harness.tasks.runs import DEFAULT_STEPS
from assay.conformance.model.vocabulary import Mode

TRAIN_STEP, VALIDATION_STEP = "train_step", "validation_step"


def traced_steps(ctx: Context) -> Mapping[str, Any]:
    """Return the graphs of the train step and the validation step by name, traced on a first batch and not run.

    They are traced as a training loop does it that records summaries: under a default summary writer, so that what a
    step writes with `tf.summary` is in the graph. Random layers are left on.

    Args:
      ctx: The check's context; in the mode `mixed_precision` the steps are made for it, in all others it does not
        matter.

    Raises:
      SubjectError: If a step raises.
    """
    import tensorflow as tf

    mode = Mode.MIXED_PRECISION if ctx.mode is Mode.MIXED_PRECISION else Mode.GRAPH

    def trace() -> dict[str, Any]:
        build = build_task(ctx, mode=mode)

        # A step that changes the containers of its batch is another rule's affair.
        def train(batch: Any) -> Any:
            batch = fresh_containers(batch)
            return build.task.train_step(batch, build.model, build.optimizer, metrics=list(build.train_metrics))

        def validate(batch: Any) -> Any:
            batch = fresh_containers(batch)
            return build.task.validation_step(batch, build.model, metrics=list(build.validation_metrics))

        steps: list[tuple[str, Callable[[Any], Any], tuple[Any, ...]]] = [
            (TRAIN_STEP, train, training_batches(ctx, DEFAULT_STEPS)[:1]),
            (VALIDATION_STEP, validate, validation_batches(ctx)[:1]),
        ]
        graphs = {}
        with tempfile.TemporaryDirectory() as folder:
            writer = tf.summary.create_file_writer(folder)
            with writer.as_default(step=0), tf.summary.record_if(True):
                for name, step, batches in steps:
                    for batch in batches:  # one, or none where there is no data
                        with build.placed(), calling(f"{name}, while it is traced"):
                            graphs[name] = tf.function(step).get_concrete_function(batch).graph
            writer.close()
        return graphs

    return ctx.share(("traced steps", mode), trace)
