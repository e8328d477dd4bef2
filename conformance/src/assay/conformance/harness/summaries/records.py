"""What a summary manager has written, read back from its directory: by this process, or by another one."""

from __future__ import annotations

import dataclasses
import pickle
import posixpath
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from assay.conformance.harness.calls import calling
from assay.conformance.harness.summaries import reader_process

IMAGES = "images"
_SECONDS = 60


@dataclasses.dataclass(frozen=True, eq=False)
class Record:
    """One value.

    Attributes:
      directory: Where it is, relative to the summary directory; empty for that directory itself.
      tag: Its name.
      step: Its step.
      value: A NumPy scalar or array; of an image summary, the list of encoded images.
      plugin: What TensorBoard shows it with: `scalars`, `images`, or an empty string.
    """

    directory: str
    tag: str
    step: int
    value: Any
    plugin: str = ""

    @property
    def path(self) -> str:
        """Directory and tag."""
        return f"{self.directory}/{self.tag}" if self.directory else self.tag


def read_records(directory: Path, reader: Callable[[str], Iterable[Any]] | None = None) -> list[Record]:
    """Return everything in a directory, in the order of writing.

    What a `SessionLog.START` event takes back, as TensorBoard understands it, is left out.

    Args:
      directory: The summary directory; nothing has to be there.
      reader: The subject's own reader, for what is no event file.
    """
    if reader is not None:
        return _with(reader, directory)
    return _decoded(reader_process.read(str(directory)))


def read_in_another_process(directory: Path, reader: Callable[[str], Iterable[Any]] | None = None) -> list[Record]:
    """The same by a second process, which has only the files to go by.

    A reader of the subject's own opens the files anew in this process: buffers of open files are as hidden from it.
    """
    if reader is not None:
        return _with(reader, directory)
    command = [sys.executable, "-I", "-S", reader_process.__file__, str(directory)]
    done = subprocess.run(command, check=True, capture_output=True, timeout=_SECONDS)
    return _decoded(pickle.loads(done.stdout))


def files_in(directory: Path) -> list[str]:
    """Return every file below a directory, relative to it."""
    return sorted(path.relative_to(directory).as_posix() for path in directory.rglob("*") if path.is_file())


def _with(reader: Callable[[str], Iterable[Any]], directory: Path) -> list[Record]:
    if not directory.exists():
        return []
    with calling("the trait 'reader'"):
        return [
            Record("" if str(where) in (".", "") else str(where), str(tag), int(step), np.asarray(value))
            for where, tag, step, value in reader(str(directory))
        ]


def _decoded(files: list[tuple[str, list[bytes]]]) -> list[Record]:
    """Decode the records of event files, oldest file first."""
    import tensorflow as tf

    event_class = tf.compat.v1.Event
    parsed = [(name, [event_class.FromString(record) for record in records]) for name, records in files]
    parsed.sort(key=lambda entry: _age(*entry))
    found: list[Record] = []
    start = tf.compat.v1.SessionLog.START
    for name, events in parsed:
        directory = posixpath.dirname(name.replace("\\", "/"))
        for event in events:
            if event.HasField("session_log") and event.session_log.status == start:
                found = [one for one in found if one.directory != directory or one.step < event.step]
            for value in event.summary.value:
                plugin = value.metadata.plugin_data.plugin_name
                found.append(Record(directory, value.tag, int(event.step), _value(tf, value, plugin), plugin))
    return found


def _age(name: str, events: list[Any]) -> tuple[float, list[Any]]:
    """What files are ordered by: the time of the first value (that of the header is cut to seconds), then the name."""
    times = [event.wall_time for event in [*events[1:], *events[:1]] if event.wall_time]
    return (times[0] if times else 0.0), [int(part) if part.isdigit() else -1 for part in name.split(".")]


def _value(tf: Any, value: Any, plugin: str) -> Any:
    kind = value.WhichOneof("value")
    if kind == "simple_value":
        return np.float32(value.simple_value)
    if kind == "image":
        return [value.image.encoded_image_string]
    if kind == "tensor":
        array = tf.make_ndarray(value.tensor)
        # An image summary is [width, height, image, ...], each as text.
        return [bytes(entry) for entry in array.ravel()[2:]] if plugin == IMAGES else array
    return None
