"""A summary manager for programs: one JSON object a line, no TensorFlow needed.

```python
from assay.summaries import JSONLinesSummaryManager, read_json_lines

with JSONLinesSummaryManager("runs/example/lines", global_step=100) as manager:
    manager.write_summaries({"loss": 0.5, "iou": {"road": 0.9}})
assert list(read_json_lines("runs/example/lines")) == [("", "loss", 100, 0.5), ("iou", "road", 100, 0.9)]
```
"""

import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from assay.summaries._history import History
from assay.summaries._interface import SummarySink
from assay.summaries._json_lines_file import (
    JSON_LINES_FILE,
    STEP,
    SUMMARIES,
    WALL_TIME,
    JSONLinesFile,
    as_json,
    read_json_lines,
)
from assay.summaries._repetition import warn_dropped
from assay.summaries._scalars import scalar_of
from assay.summaries._standard_kinds import FIGURE_PREFIX, HISTOGRAM_PREFIX, IMAGE_PREFIX, TEXT_PREFIX, text_of
from assay.summaries._step import read_step
from assay.summaries._tensorflow import is_recording, run_eagerly
from assay.summaries._tree import Leaf, flatten

PICTURES = (IMAGE_PREFIX, FIGURE_PREFIX, HISTOGRAM_PREFIX)


class JSONLinesSummaryManager(SummarySink):
    """Appends nested dicts of numbers to `summary_dir/summaries.jsonl`, one JSON object a line.

    A line is `{"step": 100, "wall_time": 1700000000.5, "summaries": {"loss": 0.5, "iou": {"road": 0.9}}}`: the dict
    as it was given, numbers as they were (float64; NaN and the infinities as `"NaN"`, `"Infinity"`, `"-Infinity"`,
    because JSON has none). Keys that begin with `text/` hold a text. Those that begin with `image/`, `figure/` and
    `histogram/` are left out: they are for event files, beside which this manager can stand in a `TeeSummaryManager`.
    It gives no writer for `tf.summary`, whose operations write event files only.

    Promises: a dict is written whole or, when a key or value is refused, not at all. Each tag and step is there once
    and steps never go back; what the file already holds when a run resumes is dropped with a `DroppedSummaryWarning`.
    The only file is this one, for the life of the manager. A line is handed to the operating system when it is written,
    and survives the death of the process from then on, and that of the machine after `flush()`; half a line that a
    dying process left is removed when the file is opened next. Any thread may use it; it respects
    `tf.summary.record_if`.

    Args:
        summary_dir: Local directory, made at the first write. None writes nothing at all.
        global_step: As for `SummaryManager`.
        fsync: Whether `flush()` and `close()` wait until the disk has what was written, about a millisecond; without, a
            power failure may cost what the operating system still held.

    Raises:
        ValueError: If `summary_dir` is empty.
    """

    def __init__(
        self, summary_dir: str | os.PathLike[str] | None, global_step: Any = None, *, fsync: bool = True
    ) -> None:
        self._summary_dir = None if summary_dir is None else os.fspath(summary_dir)
        if self._summary_dir == "":
            raise ValueError("`summary_dir` is empty: expected a directory, or None to write nothing.")
        self._global_step = global_step
        self._fsync = bool(fsync)
        self._file: JSONLinesFile | None = None
        self._history = History()
        self._lock = threading.RLock()
        self._warned = self._closed = False

    @property
    def summary_dir(self) -> str | None:
        """Directory of the file, or None."""
        return self._summary_dir

    @property
    def path(self) -> str | None:
        """The file, or None."""
        return None if self._summary_dir is None else os.path.join(self._summary_dir, JSON_LINES_FILE)

    def write_summaries(self, summary_dict: Mapping[str, Any]) -> None:
        """Append a nested mapping at the current step.

        Raises:
            UnwritableSummaryError: If a key or value cannot be written, named by its path.
            ValueError: If there is no step, or it is no integer.
            RuntimeError: If the manager is closed, or a `tf.function` is being traced.
        """
        if self._summary_dir is not None:
            _on_the_host(lambda: self._prepare_and_write(summary_dict))

    def prepare_summaries(self, summary_dict: Mapping[str, Any]) -> Callable[[], None]:
        """Check a dict and return the function that writes it, at the step of now; raises as `write_summaries`."""
        if self._summary_dir is None:
            return lambda: None
        write = _on_the_host(lambda: self._prepare(summary_dict))
        return lambda: _on_the_host(write)

    def flush(self) -> None:
        """Wait until the disk has every line; the operating system has each as soon as it is written."""
        with self._lock:
            if self._file is not None and self._fsync:
                self._file.sync()

    def close(self) -> None:
        """Flush and close the file; closing again does nothing, writing afterwards is an error."""
        with self._lock:
            self.flush()
            if self._file is not None:
                self._file.close()
                self._file = None
            self._closed = True

    def _prepare_and_write(self, summary_dict: Mapping[str, Any]) -> None:
        with self._lock:
            self._prepare(summary_dict)()

    def _prepare(self, summary_dict: Mapping[str, Any]) -> Callable[[], None]:
        values = [(leaf, _value_of(leaf)) for leaf in flatten(summary_dict) if not leaf.tag.startswith(PICTURES)]
        self._check_open()
        if not values:
            return lambda: None
        step = read_step(self._global_step)
        return lambda: self._write(values, step)

    def _write(self, values: list[tuple[Leaf, float | str]], step: int) -> None:
        with self._lock:
            self._check_open()
            if not is_recording():  # what is not recorded must not count as written
                return
            file = self._opened()
            admitted = [(leaf, value) for leaf, value in values if self._history.accepts(leaf.path, step)]
            if len(admitted) < len(values) and not self._warned:
                kept = {leaf.path for leaf, _ in admitted}
                dropped = [leaf.path for leaf, _ in values if leaf.path not in kept]
                warn_dropped(str(self.path), step, self._history.last_step, dropped)
            self._warned = len(admitted) < len(values)
            if admitted:
                file.append({STEP: step, WALL_TIME: time.time(), SUMMARIES: _nested(admitted)})
            for leaf, _ in admitted:
                self._history.add(leaf.path, step)

    def _opened(self) -> JSONLinesFile:
        if self._file is None:
            assert self.path is not None
            self._file = JSONLinesFile(self.path)
            for group, tag, step, _ in read_json_lines(self.path):
                self._history.add(f"{group}/{tag}" if group else tag, step)
        return self._file

    def _check_open(self) -> None:
        if self._closed:
            raise RuntimeError(f"The summary manager of {self._summary_dir!r} is closed.")


def _value_of(leaf: Leaf) -> float | str:
    if not leaf.tag.startswith(TEXT_PREFIX):
        return as_json(scalar_of(leaf))
    text = text_of(leaf.path, leaf.value)
    return text if isinstance(text, str) else "\n".join(str(entry) for entry in text)


def _nested(values: list[tuple[Leaf, float | str]]) -> dict[str, Any]:
    """The values in the dicts in which they came."""
    whole: dict[str, Any] = {}
    for leaf, value in values:
        group = whole
        for key in leaf.groups:
            group = group.setdefault(key, {})
        group[leaf.tag] = value
    return whole


def _on_the_host(function: Callable[[], Any]) -> Any:
    """Call where tensors have values; without TensorFlow there are none."""
    return run_eagerly(function) if "tensorflow" in sys.modules else function()
