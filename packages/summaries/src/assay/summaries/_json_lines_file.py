"""The file of a `JSONLinesSummaryManager`: appended to line by line, mended when it is opened, and read back."""

import contextlib
import json
import math
import os
from collections.abc import Iterator, Mapping
from typing import Any

JSON_LINES_FILE = "summaries.jsonl"
STEP, WALL_TIME, SUMMARIES = "step", "wall_time", "summaries"
TEXT_PREFIX = "text/"
# JSON has no such numbers; these names are those of the JSON form of protocol buffers.
NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
CHUNK_BYTES = 1 << 16


class JSONLinesFile:
    """A file that grows by whole lines, each with one call of the operating system.

    What is appended survives the death of the process at once. The part of a line that a process left when it died
    while writing is removed when the file is opened next, so that every line is an object.

    Args:
        path: Made, with its directory, when it is not there.
    """

    def __init__(self, path: str) -> None:
        self._directory = os.path.dirname(path)
        os.makedirs(self._directory, exist_ok=True)
        self._descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o666)
        self._unsynced, self._named = True, False
        _mend(self._descriptor)

    def append(self, entry: Mapping[str, Any]) -> None:
        """Append an object as a line; when it cannot be written whole, nothing of it stays."""
        line = (json.dumps(entry, allow_nan=False, separators=(", ", ": ")) + "\n").encode()
        end = os.fstat(self._descriptor).st_size
        written = 0
        self._unsynced = True
        try:
            while written < len(line):
                written += os.write(self._descriptor, line[written:])
        except OSError:
            os.ftruncate(self._descriptor, end)
            raise

    def sync(self) -> None:
        """Wait until the disk has all of it, so that it survives a power failure; the file's name as well."""
        if not self._unsynced:
            return
        os.fsync(self._descriptor)
        if not self._named:
            _sync_directory(self._directory)
        self._unsynced, self._named = False, True

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)


def _sync_directory(directory: str) -> None:
    # Some systems (Windows, mounted buckets) cannot do this to a directory; they keep the names in it by themselves.
    with contextlib.suppress(OSError):
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def as_json(number: float) -> float | str:
    """A number as JSON can hold it: NaN and the infinities by name."""
    if math.isfinite(number):
        return number
    return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"


def read_json_lines(summary_dir: str | os.PathLike[str]) -> Iterator[tuple[str, str, int, float | str]]:
    """Read what a `JSONLinesSummaryManager` has written.

    Args:
        summary_dir: Its directory, or the file itself. A last line that is not whole yet is left out.

    Yields:
        The group (components joined by `/`; "" at the top), the tag, the step, and the value: a float, or a text for
        tags that begin with `text/`.

    Raises:
        FileNotFoundError: If there is no such file.
    """
    path = os.fspath(summary_dir)
    path = os.path.join(path, JSON_LINES_FILE) if os.path.isdir(path) else path
    with open(path, "rb") as file:
        for line in file:
            if line.endswith(b"\n"):
                entry = json.loads(line)
                for group, tag, value in _leaves(entry[SUMMARIES], ""):
                    named = isinstance(value, str) and not tag.startswith(TEXT_PREFIX)
                    yield group, tag, entry[STEP], NOT_FINITE[value] if named else value


def _leaves(group: Mapping[str, Any], path: str) -> Iterator[tuple[str, str, Any]]:
    for key, value in group.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{path}/{key}" if path else key)
        else:
            yield path, key, value


def _mend(descriptor: int) -> None:
    """Cut off what follows the last end of a line."""
    size = os.fstat(descriptor).st_size
    end = size
    while end > 0:
        start = max(0, end - CHUNK_BYTES)
        found = os.pread(descriptor, end - start, start).rfind(b"\n")
        if found >= 0:
            end = start + found + 1
            break
        end = start
    if end < size:
        os.ftruncate(descriptor, end)
