"""Batches on the host: the same tensors for every mode, so that modes can be compared."""

from __future__ import annotations

import itertools
from typing import Any

from assay.conformance.context import Context
from assay.conformance.harness.calls import calling
from assay.conformance.harness.pipelines.components import make_component
from assay.conformance.harness.pipelines.datasets import DEFAULT_BATCH_SIZE, build_dataset, data_params
from assay.conformance.harness.pipelines.pipeline import read_field
from assay.conformance.harness.strategies import REPLICAS
from assay.conformance.model.errors import Violation

MOST_VALIDATION_BATCHES = 64
"""Validation is cut here in rules that compare steps; the rules that count examples read it to the end."""


def training_batches(ctx: Context, count: int, *, global_batch_size: int | None = None) -> tuple[Any, ...]:
    """Return the first batches of the training data, each with a number of examples that two replicas can share.

    Args:
      ctx: The check's context.
      count: How many.
      global_batch_size: The batch size; the Task's own (made even) when None.

    Raises:
      Violation: If the training data ends before that.
      SubjectError: If the pipeline raises.
    """

    def read() -> tuple[Any, ...]:
        task = ctx.share("task for data", lambda: make_component(ctx))
        size = global_batch_size or _even_batch_size(task)
        batches = _take(
            build_dataset(task, data_params(task, training=True, global_batch_size=size)), count, "training"
        )
        if len(batches) < count:
            raise Violation(
                f"the training dataset ended after {len(batches)} batches of {size}, and {count} were asked for",
                cause="the training dataset is not repeated",
                fix="Call `.repeat()` on the dataset when `params.is_training` is true.",
            )
        return batches

    # A longer read is kept apart from a shorter one: the rules ask for few different lengths, and data is small.
    return ctx.share(("training batches", count, global_batch_size), read)


def validation_batches(
    ctx: Context, *, global_batch_size: int | None = None, at_most: int | None = MOST_VALIDATION_BATCHES
) -> tuple[Any, ...]:
    """Return the batches of the validation data, the last partial one included.

    Args:
      ctx: The check's context.
      global_batch_size: The batch size; the Task's own when None.
      at_most: Stop after so many; None reads to the end.
    """

    def read() -> tuple[Any, ...]:
        task = ctx.share("task for data", lambda: make_component(ctx))
        overrides: dict[str, Any] = {} if global_batch_size is None else {"global_batch_size": global_batch_size}
        params = data_params(task, training=False, drop_remainder=False, **overrides)
        return _take(build_dataset(task, params), at_most, "validation")

    return ctx.share(("validation batches", global_batch_size, at_most), read)


def first_batch(ctx: Context) -> Any:
    """Return the first training batch."""
    return training_batches(ctx, 1)[0]


def split_batch(batch: Any, parts: int = REPLICAS) -> list[Any]:
    """Return a batch cut along its first dimension into parts, as a distributed dataset would: the last may be short.

    Args:
      batch: Nested structure of tensors, each `[batch, ...]`; a tensor without dimensions goes to every part.
      parts: How many.
    """
    import tensorflow as tf

    sizes = {int(leaf.shape[0]) for leaf in tf.nest.flatten(batch) if leaf.shape.rank}
    rows = -(-max(sizes, default=0) // parts)

    def cut(part: int) -> Any:
        return tf.nest.map_structure(
            lambda leaf: leaf[part * rows : (part + 1) * rows] if leaf.shape.rank else leaf, batch
        )

    return [cut(part) for part in range(parts)]


def _even_batch_size(task: Any) -> int:
    size = int(read_field(data_params(task, training=True), "global_batch_size") or DEFAULT_BATCH_SIZE)
    return size + size % REPLICAS


def _take(dataset: Any, count: int | None, which: str) -> tuple[Any, ...]:
    """The first elements of a dataset, as nested structures of tensors."""
    import tensorflow as tf

    with calling(f"reading the {which} dataset"):
        batches = tuple(itertools.islice(iter(dataset), count))
        return tuple(tf.nest.map_structure(_as_tensor, batch) for batch in batches)


def _as_tensor(leaf: Any) -> Any:
    """The leaf as a tensor; ragged and sparse tensors stay what they are."""
    import tensorflow as tf

    return leaf if isinstance(leaf, tf.__internal__.CompositeTensor) else tf.convert_to_tensor(leaf)
