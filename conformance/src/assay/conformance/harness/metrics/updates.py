"""Updates inside `tf.function`: traced once a metric, plain or compiled by XLA, and the variables that they make."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from assay.conformance.context import Context
from assay.conformance.harness.calls import calling
from assay.conformance.harness.compiling import recorded
from assay.conformance.harness.metrics.component import (
    Metric,
    Numbers,
    numbers,
    placed,
    refuse_strings,
    tensors,
    update,
)
from assay.conformance.harness.samples import Batch
from assay.conformance.harness.standing_in import through_xla
from assay.conformance.model.vocabulary import Mode


def traced(metric: Metric, mode: Mode = Mode.GRAPH) -> Callable[..., Any]:
    """Return a `tf.function` of a metric's update, compiled in the mode `xla`."""
    import tensorflow as tf

    if mode is Mode.XLA:
        return metric.compiled

    def run(*sides: Any) -> None:
        metric.update(*sides)

    return tf.function(run, reduce_retracing=False)


def creations(ctx: Context, metric: Metric, batch: Batch) -> int:
    """Return how many variables the first update of a metric makes, inside a `tf.function`.

    Raises:
      SubjectError: If the update raises for another reason than the making of a variable.
    """
    import tensorflow as tf

    made: list[Any] = []

    def watch(next_creator: Callable[..., Any], **options: Any) -> Any:
        made.append(options.get("name"))
        return next_creator(**options)

    function = traced(metric, ctx.mode)

    def run(*sides: Any) -> None:
        with tf.variable_creator_scope(watch):
            function(*sides)

    update(ctx, metric, batch, function=run)
    return len(made)


def run_in(
    ctx: Context, metric: Metric, batches: Sequence[Batch], mode: Mode, weights: Sequence[Any] | None = None
) -> list[Numbers]:
    """Update a metric in a mode, batch by batch, and return the result after each, computed in that mode too.

    Raises:
      NotApplicable: If the mode is XLA and the batches hold strings.
      SubjectError: If the metric raises.
    """
    import tensorflow as tf

    for batch in batches if mode is Mode.XLA else ():
        refuse_strings(batch)

    def step(*sides: Any) -> None:
        metric.update(*sides)

    function: Callable[..., Any] = step
    if mode is Mode.XLA:
        function = through_xla(recorded(tf.function(step, jit_compile=True), step, name="update_state"))
    elif mode is not Mode.EAGER:
        function = tf.function(step)
    read = metric.metric.result
    if mode is not Mode.EAGER:

        def result() -> Any:
            return tf.nest.map_structure(tf.convert_to_tensor, metric.metric.result())

        read = tf.function(result)
        if mode is Mode.XLA:
            read = recorded(read, result, name="result")
    found = []
    for index, batch in enumerate(batches):
        weight = None if weights is None else weights[index]
        with placed(ctx), calling(f"update_state on {batch.describe()}, mode {mode},"):
            function(*tensors(batch, weight))
        with placed(ctx), calling(f"result(), mode {mode},"):
            found.append(numbers(read()))
    return found
