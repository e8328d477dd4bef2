"""Readings of a data pipeline: a digest for each tensor of each example, so that examples are known without an id.

An example is a row of digests, one a tensor. Which of them identify it is found by comparing readings: augmented images
change from one reading to the next and their labels do not; padding depends on the batch size; a mask tells a padded
row from a real one.
"""

from __future__ import annotations

import collections
import dataclasses
import hashlib
import time
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness.calls import calling
from assay.conformance.harness.pipelines.components import make_component
from assay.conformance.harness.pipelines.datasets import build_dataset, data_params
from assay.conformance.harness.pipelines.elements import named_tensors
from assay.conformance.harness.values import as_numpy

MOST_EXAMPLES = 4096
"""Where the reading of a dataset stops."""

_MOST_BYTES = 2**28  # 256 MiB: a few hundred images of the usual size
_MOST_SECONDS = 60.0
_DIGEST_BYTES = 8

Row = tuple[str, ...]
"""One digest for each tensor of an example."""


@dataclasses.dataclass(frozen=True)
class Reading:
    """What one pass over a dataset gave.

    Attributes:
      rows: The examples, in order.
      ended: Whether the dataset ended, rather than the suite's patience.
      batches: How many batches there were.
      names: What the tensors are called: `features/image`.
      exact: Whether each tensor holds an id, a label or a text, which no augmentation draws anew.
      sizes: How many examples each batch has.
    """

    rows: tuple[Row, ...]
    ended: bool
    batches: int
    names: tuple[str, ...] = ()
    exact: tuple[bool, ...] = ()
    sizes: tuple[int, ...] = ()

    @property
    def width(self) -> int:
        """How many tensors an example has."""
        return len(self.rows[0]) if self.rows else 0

    def column(self, index: int) -> list[str]:
        """The digests of one tensor, over the examples."""
        return [row[index] for row in self.rows]

    def keys(self, columns: Sequence[int]) -> list[Row]:
        """The examples by some of their tensors only."""
        return [tuple(row[column] for column in columns) for row in self.rows]


def read_data(
    ctx: Context,
    *,
    training: bool,
    num_input_pipelines: int = 1,
    input_pipeline_id: int = 0,
    at_most: int = MOST_EXAMPLES,
    repetition: int = 0,
    **overrides: Any,
) -> Reading:
    """Build the subject's dataset anew and read it; shared by all rules that ask for the same.

    Args:
      ctx: The check's context.
      training: Whether the data is for training.
      num_input_pipelines: Over how many pipelines the data is sharded.
      input_pipeline_id: Which of them this one is.
      at_most: How many examples to read; rounded up to whole batches.
      repetition: Tells readings of the same data apart.
      **overrides: Fields of the data parameters to set: `global_batch_size=3, drop_remainder=False`.

    Raises:
      SubjectError: If the pipeline raises.
    """

    def read() -> Reading:
        task = ctx.share("task for data", lambda: make_component(ctx))
        params = data_params(task, training=training, **overrides)
        dataset = build_dataset(
            task, params, num_input_pipelines=num_input_pipelines, input_pipeline_id=input_pipeline_id
        )
        return read_examples(dataset, at_most=at_most, name="training" if training else "validation")

    shard = (num_input_pipelines, input_pipeline_id)
    return ctx.share(("reading", training, shard, at_most, repetition, tuple(sorted(overrides.items()))), read)


def read_examples(dataset: Iterable[Any], *, at_most: int = MOST_EXAMPLES, name: str = "") -> Reading:
    """Read a dataset of batches.

    Args:
      dataset: Yields nested structures of tensors, each `[batch, ...]`; ragged and sparse ones are fine. A tensor
        whose first dimension is not the batch's is left out.
      at_most: How many examples to read; rounded up to whole batches.
      name: What messages call it.

    Raises:
      SubjectError: If the pipeline raises.
    """
    rows: list[Row] = []
    sizes: list[int] = []
    names: tuple[str, ...] = ()
    exact: tuple[bool, ...] = ()
    size, start = 0, time.monotonic()
    with calling(f"reading the {name} dataset"):
        iterator = iter(dataset)
        while max(len(rows), len(sizes)) < at_most and size < _MOST_BYTES and time.monotonic() - start < _MOST_SECONDS:
            batch = next(iterator, None)
            if batch is None:
                return Reading(tuple(rows), True, len(sizes), names, exact, tuple(sizes))
            found = _columns_of(batch)
            names = names or tuple(name for name, _, _ in found)
            exact = exact or tuple(is_exact for _, is_exact, _ in found)
            sizes.append(len(found[0][2]) if found else 0)
            size += sum(len(value) for _, _, column in found for value in column)
            rows.extend(_digested(found))
    return Reading(tuple(rows), False, len(sizes), names, exact, tuple(sizes))


def example_rows(batch: Any) -> list[Row]:
    """Return the examples of one batch as rows of digests.

    Args:
      batch: Nested structure of tensors, each `[batch, ...]`; one that has no rows of the batch is left out.
    """
    return _digested(_columns_of(batch))


def _columns_of(batch: Any) -> list[tuple[str, bool, list[bytes]]]:
    """Of each tensor that has a row for each example: its name, whether it is exact, and the content of its rows."""
    leaves = named_tensors(batch)
    columns = [_rows_of(leaf) for _, leaf in leaves]
    lengths = collections.Counter(len(column) for column in columns if column is not None)
    length = lengths.most_common(1)[0][0] if lengths else 0
    return [
        (name, _is_exact(leaf), column)
        for (name, leaf), column in zip(leaves, columns, strict=True)
        if column is not None and len(column) == length
    ]


def _digested(columns: Sequence[tuple[str, bool, list[bytes]]]) -> list[Row]:
    return list(zip(*[[_digest(value) for value in column] for _, _, column in columns], strict=True))


def common_columns(reference: Reading, others: Iterable[Reading], *, share: float = 0.5) -> list[int]:
    """Return the tensors by which the examples of several readings can be told to be the same.

    Args:
      reference: A reading.
      others: Other readings, which may hold fewer or more of the same examples.
      share: Which part of the other readings' digests, at least, the reference must know.

    Returns:
      The indices of the tensors.
    """
    kept = []
    pooled = list(others)
    for index in range(min([reference.width, *(reading.width for reading in pooled if reading.rows)])):
        known = set(reference.column(index))
        digests = [digest for reading in pooled if reading.rows for digest in reading.column(index)]
        if digests and sum(digest in known for digest in digests) >= share * len(digests):
            kept.append(index)
    return kept


def epoch_length(keys: Sequence[Row]) -> int | None:
    """Return the number of examples after which a repeated stream has shown everything once, or None.

    It is the smallest length such that all whole blocks of it, at least two, hold the same examples, whatever their
    order. Blocks of which most examples are the same as another identify nothing, and are not taken for an epoch.

    Args:
      keys: The examples, in order.
    """
    codes = np.array([_code(key) for key in keys], np.uint64)
    sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(codes, dtype=np.uint64)])  # wraps around, as hashes may
    for length in range(1, len(keys) // 2 + 1):
        ends = sums[::length]
        blocks = ends[1:] - ends[:-1]
        if np.all(blocks == blocks[0]) and 2 * len(set(keys[:length])) >= length:
            return length
    return None


def _is_exact(leaf: Any) -> bool:
    """Whether a tensor is one integer, truth value or text an example: masks and tokens may be drawn anew."""
    return leaf.shape.rank == 1 and not leaf.dtype.is_floating


def _code(key: Row) -> int:
    return int.from_bytes(hashlib.blake2b("/".join(key).encode(), digest_size=8).digest(), "little")


def _rows_of(leaf: Any) -> list[bytes] | None:
    """The content of each row of a batch's tensor, or None when it has no rows."""
    import tensorflow as tf

    if isinstance(leaf, tf.SparseTensor):
        leaf = tf.sparse.to_dense(leaf)
    if isinstance(leaf, tf.RaggedTensor):
        return [repr(row).encode() for row in leaf.to_list()]
    array = as_numpy(leaf)
    if not array.ndim:
        return None
    # How much padding a row has depends on the others of its batch: it is no part of the content.
    head = f"{array.dtype}{array.shape[2:]}".encode()
    rows = _without_padding(array)
    if array.dtype == object:
        return [head + repr(row.tolist() if isinstance(row, np.ndarray) else row).encode() for row in rows]
    return [head + np.ascontiguousarray(row).tobytes() for row in rows]


def _without_padding(array: np.ndarray) -> list[Any]:
    """The rows of a batch, without the entries of 0, -1 or empty text at the end of their first dimension."""
    if array.ndim == 1 or not array.size:
        return list(array)
    flat = array.reshape(*array.shape[:2], -1)
    paddings = (b"",) if array.dtype == object else (0, -1)
    ends = [np.all(flat[:, -1] == padding, axis=-1) for padding in paddings]
    if not np.any(ends):
        return list(array)
    lengths = np.full(len(array), array.shape[1])
    for padding, padded in zip(paddings, ends, strict=True):
        for row in np.nonzero(padded)[0]:
            real = np.nonzero(np.any(flat[row] != padding, axis=-1))[0]
            lengths[row] = real[-1] + 1 if len(real) else 0
    return [row[:length] for row, length in zip(array, lengths, strict=True)]


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=_DIGEST_BYTES).hexdigest()
