"""Iterators saved at a position and restored into a new dataset, and what they yield from there."""

from __future__ import annotations

import dataclasses
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from assay.conformance.harness.calls import calling
from assay.conformance.harness.pipelines.readings import Row, example_rows

_STATEFUL = re.compile(r"(\w+) is stateful")


class CannotBeSaved(Exception):  # noqa: N818 - what is observed, not an error of the suite
    """An iterator that refuses to be saved.

    Args:
      position: After how many batches it was to be saved.
      kind: The type of the operation that is in the way; empty when the error names none.
      message: What TensorFlow says.
    """

    def __init__(self, position: int, kind: str, message: str) -> None:
        super().__init__(message)
        self.position = position
        self.kind = kind
        self.message = message


@dataclasses.dataclass(frozen=True)
class Restored:
    """What two iterators yield from a position on.

    Attributes:
      position: After how many batches the first was saved.
      expected: The batches of the iterator that went on, each a list of examples.
      received: The batches of a new iterator that was restored.
    """

    position: int
    expected: list[list[Row]]
    received: list[list[Row]]


def restore_at(make: Callable[[], Any], positions: Sequence[int], *, more: int) -> Iterator[Restored]:
    """Save an iterator at some positions, restore each into one of a new dataset, and read on with both.

    Args:
      make: Makes the dataset anew; called twice.
      positions: After how many batches the iterator is saved, rising; those after the end of the data are left out.
      more: How many batches are read after each; fewer when the data ends.

    Yields:
      What comes after each position.

    Raises:
      CannotBeSaved: If TensorFlow refuses to save the iterator.
      SubjectError: If the pipeline raises.
    """
    import tensorflow as tf

    going_on = iter(make())
    read: list[list[Row]] = []
    with tempfile.TemporaryDirectory(prefix="iterator-") as folder:
        saved: dict[int, str] = {}
        for position in positions:
            read += _read(going_on, position - len(read))
            if len(read) < position:
                break
            try:
                path = str(Path(folder) / f"after-{position}")
                saved[position] = tf.train.Checkpoint(iterator=going_on).write(path)
            except (tf.errors.OpError, NotImplementedError, ValueError, TypeError) as error:
                found = _STATEFUL.search(str(error))
                raise CannotBeSaved(position, found[1] if found else "", plain_message(error)) from error
        read += _read(going_on, more)
        anew = make()
        for position, path in saved.items():
            restored = iter(anew)
            with calling(f"restoring the iterator after {position} batches"):
                tf.train.Checkpoint(iterator=restored).read(path)
            yield Restored(position, read[position : position + more], _read(restored, more))


def _read(iterator: Any, count: int) -> list[list[Row]]:
    batches: list[list[Row]] = []
    with calling("reading the dataset"):
        for _ in range(count):
            batch = next(iterator, None)
            if batch is None:
                break
            batches.append(example_rows(batch))
    return batches


def plain_message(error: BaseException) -> str:
    """Return what an error of TensorFlow says, without the parts that name its own functions and iterators."""
    noise = (
        r"\{\{function_node [^}]*\}\}|\[Op:\w+\]( name: ?)?|\[\[\{\{node [^\]]*\]\]"
        r"|Error in user-defined function passed to \w+:\d+ transformation with iterator: \S+"
    )
    return " ".join(re.sub(noise, "", str(error)).split())
