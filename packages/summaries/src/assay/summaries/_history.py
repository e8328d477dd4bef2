"""What the event files of a directory already hold, so that a resumed run does not write a step again."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from assay.summaries._tensorflow import tensorflow

EVENT_FILE_PATTERN = "*tfevents*"
# A record is its length (uint64), a checksum of the length, the data, and a checksum of the data (uint32 each).
LENGTH = struct.Struct("<Q")
CHECKSUM_BYTES = 4


@dataclass
class History:
    """The last step of a directory and the tags that have it.

    A value may be added at a later step, or at the last step under a tag that it does not have yet; so each tag and
    step is there once and steps never go back.
    """

    last_step: int | None = None
    tags: set[str] = field(default_factory=set)

    def accepts(self, tag: str, step: int) -> bool:
        """Whether a value may be added."""
        if self.last_step is None or step > self.last_step:
            return True
        return step == self.last_step and tag not in self.tags

    def add(self, tag: str, step: int) -> None:
        """Note a value; steps before the last one are passed over."""
        if self.last_step is None or step > self.last_step:
            self.last_step, self.tags = step, set()
        if step == self.last_step:
            self.tags.add(tag)


def read_history(directory: str) -> History:
    """Read the history of the event files in a directory; without files, or without the directory, it is empty."""
    tf = tensorflow()
    history = History()
    if not tf.io.gfile.isdir(directory):
        return history
    for path in sorted(tf.io.gfile.glob(tf.io.gfile.join(_literal(directory), EVENT_FILE_PATTERN))):
        for record in _records(tf, path):
            event = tf.compat.v1.Event.FromString(record)
            for value in event.summary.value:
                history.add(value.tag, event.step)
    return history


def _literal(directory: str) -> str:
    """A directory as a glob pattern that matches itself only."""
    return "".join(f"[{sign}]" if sign in "*?[" else sign for sign in directory)


def _records(tf: Any, path: str) -> Iterator[bytes]:
    """The whole records of a file; a last record that a killed process left in part ends it."""
    with tf.io.gfile.GFile(path, "rb") as file:
        remaining = file.size()
        while True:
            header = file.read(LENGTH.size + CHECKSUM_BYTES)
            remaining -= len(header)
            if len(header) < LENGTH.size + CHECKSUM_BYTES:
                return
            (length,) = LENGTH.unpack_from(header)
            if length + CHECKSUM_BYTES > remaining:
                return
            remaining -= length + CHECKSUM_BYTES
            yield file.read(length + CHECKSUM_BYTES)[:length]
