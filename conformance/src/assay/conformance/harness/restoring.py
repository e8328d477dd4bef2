"""Iterators saved at a position and restored into a new dataset, and what they yield from there."""

from __future__ import annotations

import dataclasses
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from assay.conformance.harness.calls import calling
from assay.conformance.harness.readings import Row, example_rows

_STATEFUL = re.compile(r"(\w+) is stateful")


class CannotBeSaved(Exception):  # noqa: N818 - what is observed, not an error of the suite
    """An iterator that refuses to be saved.

    Args:
      kind: The type of the operation that is in the way; empty when the error names none.
      message: What TensorFlow says.
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message


@dataclasses.dataclass(frozen=True)
class Restored:
    """What two iterators yield from a position on.

    Attributes:
      expected: The batches of the iterator that went on, each a list of examples.
      received: The batches of a new iterator that was restored.
    """

    expected: list[list[Row]]
    received: list[list[Row]]


def restore_at(make: Callable[[], Any], position: int, *, more: int) -> Restored:
    """Save an iterator after some batches, restore it into one of a new dataset, and read on with both.

    Args:
      make: Makes the dataset anew.
      position: How many batches are read before the iterator is saved.
      more: How many batches are read after it; fewer when the data ends.

    Raises:
      CannotBeSaved: If TensorFlow refuses to save the iterator.
      SubjectError: If the pipeline raises.
    """
    import tensorflow as tf

    going_on = iter(make())
    with calling("reading the dataset"):
        for _ in range(position):
            next(going_on)
    with tempfile.TemporaryDirectory(prefix="iterator-") as folder:
        try:
            path = tf.train.Checkpoint(iterator=going_on).write(str(Path(folder) / "iterator"))
        except (tf.errors.OpError, NotImplementedError, ValueError, TypeError) as error:
            found = _STATEFUL.search(str(error))
            raise CannotBeSaved(found[1] if found else "", _plain(str(error))) from error
        expected = _read(going_on, more)
        restored = iter(make())
        with calling(f"restoring the iterator after {position} batches"):
            tf.train.Checkpoint(iterator=restored).read(path)
            received = _read(restored, more)
    return Restored(expected, received)


def _read(iterator: Any, count: int) -> list[list[Row]]:
    batches: list[list[Row]] = []
    with calling("reading the dataset"):
        for _ in range(count):
            batch = next(iterator, None)
            if batch is None:
                break
            batches.append(example_rows(batch))
    return batches


def _plain(message: str) -> str:
    """An error of TensorFlow without the parts that name its own functions."""
    return re.sub(r"\{\{function_node [^}]*\}\}\s*|\[Op:\w+\]( name: ?)?", "", message).strip()
