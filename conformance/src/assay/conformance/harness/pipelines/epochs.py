"""Epochs in a stream of training data: how long one is, found by what comes again."""

from __future__ import annotations

import collections
from collections.abc import Sequence

from assay.conformance.context import Context
from assay.conformance.harness.pipelines.components import make_component
from assay.conformance.harness.pipelines.dataset_graphs import changes_examples_at_random
from assay.conformance.harness.pipelines.datasets import build_dataset, data_params
from assay.conformance.harness.pipelines.readings import MOST_EXAMPLES, Reading, Row, epoch_length, read_data

EPOCH_BATCHES = (16, 1)
"""Batch sizes to look for epochs at; with batches of one example nothing can be dropped before the data repeats."""
LOOKS = (256, 1024, MOST_EXAMPLES)
"""How many examples are read, one look after another: small data need not be read thousands of times."""

_SURE_EPOCHS = 4  # after so many equal blocks no more need be read
_SATURATED = 8  # nor after so many rounds without any
_AN_ID = 4  # an id has at least a different value for every so many examples of the first look
_FEWEST = 8  # different values, for a part of the tensors to stand for examples


def training_stream(
    ctx: Context,
    *,
    seed: int | None,
    batch_size: int,
    at_most: int,
    num_input_pipelines: int = 1,
    input_pipeline_id: int = 0,
    repetition: int = 0,
) -> Reading:
    """Return the beginning of the training data of one input pipeline, with this batch size for each of them.

    Args:
      ctx: The check's context.
      seed: The seed in the data parameters; None for none.
      batch_size: How many examples a batch of one pipeline has.
      at_most: How many examples to read.
      num_input_pipelines: Over how many pipelines the data is sharded.
      input_pipeline_id: Which of them this one is.
      repetition: Tells readings of the same data apart.
    """
    return read_data(
        ctx,
        training=True,
        num_input_pipelines=num_input_pipelines,
        input_pipeline_id=input_pipeline_id,
        at_most=at_most,
        repetition=repetition,
        global_batch_size=batch_size * num_input_pipelines,
        drop_remainder=False,
        seed=seed,
    )


def find_epoch(ctx: Context, *, seed: int | None, batch_size: int) -> tuple[Reading, list[int], int | None]:
    """Read the training data until its epochs are known.

    Args:
      ctx: The check's context.
      seed: The seed in the data parameters.
      batch_size: How many examples a batch has.

    Returns:
      The reading; the tensors of which the same values come again; the length of an epoch in examples, or None.
    """
    for look in LOOKS:
        single = training_stream(ctx, seed=seed, batch_size=batch_size, at_most=look)
        columns, (followed, length) = recurring_columns(single), epoch_in(single)
        sure = length is not None and length <= len(single.rows) // _SURE_EPOCHS
        blurred = length is None and len(columns) == single.width and rounds(single.rows) >= _SATURATED
        columns = followed
        if single.ended or sure or blurred or (length is None and _cannot_be_followed(ctx, single)):
            break
    return single, columns, length


def is_augmented(ctx: Context) -> bool:
    """Whether training examples are augmented, or drawn by weight, by the operations in the dataset's graph."""

    def look() -> bool:
        task = ctx.share("task for data", lambda: make_component(ctx))
        return changes_examples_at_random(build_dataset(task, data_params(task, training=True)))

    return ctx.share("training is augmented", look)


def _cannot_be_followed(ctx: Context, reading: Reading) -> bool:
    """Whether no id tells augmented examples apart, so that more of them would not show an epoch either."""
    exact = [index for index, is_exact in enumerate(reading.exact) if is_exact]
    has_id = any(_AN_ID * len(set(reading.column(index))) >= len(reading.rows) for index in exact)
    return not has_id and is_augmented(ctx)


def recurring_columns(reading: Reading) -> list[int]:
    """Return the tensors of which the same values come again and again."""
    return [index for index in range(reading.width) if 2 * len(set(reading.column(index))) <= len(reading.rows)]


def epoch_in(reading: Reading) -> tuple[list[int], int | None]:
    """Return the tensors that show an epoch, and its length in examples, or None.

    Where augmentation has few outcomes (flipped or not), its tensors come again too and hide the epoch: those with the
    most values are left out one after another, as long as the rest may still tell examples apart.

    Args:
      reading: The beginning of a stream.
    """
    columns = recurring_columns(reading)
    kept = sorted(columns, key=lambda index: len(set(reading.column(index))))
    while kept:
        keys = reading.keys(sorted(kept))
        length = epoch_length(keys) if len(kept) == len(columns) or len(set(keys)) >= _FEWEST else None
        if length is not None:
            return sorted(kept), length
        kept.pop()
    return list(columns), None


def rounds(keys: Sequence[Row]) -> int:
    """Return how often the rarest example has come."""
    return min(collections.Counter(keys).values(), default=0)
