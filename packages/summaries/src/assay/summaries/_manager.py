"""A summary manager for TensorBoard event files.

```python
from assay.summaries import SummaryManager

with SummaryManager("runs/example/train", global_step=100) as manager:
    manager.write_summaries({"loss": 0.5, "iou": {"road": 0.9, "sky": 0.8}})
```
"""

import os
import threading
from collections.abc import Callable, Mapping
from typing import Any

from assay.summaries._directory_writer import DirectoryWriter
from assay.summaries._interface import SummaryManagerInterface
from assay.summaries._kinds import LeafKind, kind_of, table_of
from assay.summaries._scalars import scalar_of, write_scalars
from assay.summaries._step import read_step
from assay.summaries._tensorflow import run_eagerly, tensorflow
from assay.summaries._tree import directory_of, flatten


class SummaryManager(SummaryManagerInterface):
    """Writes nested dicts of scalars, and of whatever else `kinds` says, as TensorBoard event files.

    A nested mapping becomes a subdirectory, which TensorBoard shows as a run of its own, in its own colour:
    `{"loss": 1.0, "iou": {"road": 0.9}}` writes the tag `loss` in `summary_dir` and the tag `road` in
    `summary_dir/iou`. A tag may hold slashes, which make no directories. Scalars are stored as float32, as
    `tf.summary.scalar` does; 0, False, NaN and infinity are values.

    Promises:

    * Either the whole dict is written or, when a key or value is refused, nothing of it.
    * Each tag and step is written once, and the steps of a directory never go back. When a run resumes from a
      checkpoint that is older than its last summary, what the event files already hold is kept and the repetition is
      dropped with a `DroppedSummaryWarning`, until the step has caught up.
    * No key makes a file outside `summary_dir`.
    * One event file per directory for the life of the manager, made when the first value goes there.
    * After `flush()` other processes read everything, also if this process is killed.
    * Any thread may use it, under any default graph; it respects `tf.summary.record_if`.

    Args:
        summary_dir: Directory of the event files, local or any that `tf.io.gfile` knows. None writes nothing at all:
            no file is made and values are not looked at.
        summary_fn: Writes one leaf: `summary_fn(tag, value, step=step)`, called with the writer of its directory as
            default. None, and `tf.summary.scalar`, write scalars, all those of a directory in one event.
        global_step: The step of each write, read when it happens: a number, a variable, or a function that returns
            one of these. None takes the step of `tf.summary.experimental.set_step`.
        kinds: Other leaves than those of `summary_fn`: from the beginning of their key (`"audio/"`) to a `LeafKind`,
            or to a function like `summary_fn`. The longest beginning decides. `standard_kinds()` is such a table.

    Raises:
        ValueError: If `summary_dir` is empty.
        TypeError: If `kinds` is no such table.
    """

    def __init__(
        self,
        summary_dir: str | os.PathLike[str] | None,
        summary_fn: Callable[..., Any] | None = None,
        global_step: Any = None,
        *,
        kinds: Mapping[str, LeafKind | Callable[..., Any]] | None = None,
    ) -> None:
        self._summary_dir = None if summary_dir is None else os.fspath(summary_dir)
        if self._summary_dir == "":
            raise ValueError("`summary_dir` is empty: expected a directory, or None to write nothing.")
        self._summary_fn = summary_fn
        self._global_step = global_step
        self._kinds = table_of(kinds or {})
        self._writers: dict[str, DirectoryWriter] = {}
        self._lock = threading.RLock()
        self._closed = False

    @property
    def summary_dir(self) -> str | None:
        """Directory of the event files, or None."""
        return self._summary_dir

    def write_summaries(self, summary_dict: Mapping[str, Any]) -> None:
        """Write every value of a nested mapping at the current step.

        Args:
            summary_dict: Names to numbers (or to what `kinds` says), or to mappings of the same kind.

        Raises:
            UnwritableSummaryError: If a key or value cannot be written, named by its path.
            ValueError: If there is no step, or it is no integer.
            RuntimeError: If the manager is closed, or a `tf.function` is being traced.
        """
        if self._summary_dir is not None:
            run_eagerly(lambda: self._prepare_and_write(summary_dict))

    def prepare_summaries(self, summary_dict: Mapping[str, Any]) -> Callable[[], None]:
        """Check a dict and return the function that writes it, at the step of now; raises as `write_summaries`."""
        if self._summary_dir is None:
            return _nothing
        write = run_eagerly(lambda: self._prepare(summary_dict))
        return lambda: run_eagerly(write)

    def summary_writer(self, relative_path: str = "") -> Any:
        """The `tf.summary.SummaryWriter` of a subdirectory, the same one at each call.

        What is written through it directly is flushed and closed with the rest, but not kept from repeating a step.

        Args:
            relative_path: Components joined by `/`; "" is the summary directory itself.

        Raises:
            UnwritableSummaryError: If the path leaves the summary directory.
            RuntimeError: If the manager is closed, or a `tf.function` is being traced.
        """
        if self._summary_dir is None:
            return tensorflow().summary.create_noop_writer()
        return run_eagerly(lambda: self._writer(directory_of(relative_path)).writer)

    def flush(self) -> None:
        """Make everything that was written readable by other processes."""
        if self._writers:
            run_eagerly(self._flush)

    def close(self) -> None:
        """Flush and close every event file; closing again does nothing, writing afterwards is an error."""
        if self._writers:
            run_eagerly(self._close)
        self._closed = True

    def _prepare_and_write(self, summary_dict: Mapping[str, Any]) -> None:
        with self._lock:  # from reading the step on, so that threads write in the order of their steps
            self._prepare(summary_dict)()

    def _prepare(self, summary_dict: Mapping[str, Any]) -> Callable[[], None]:
        leaves = flatten(summary_dict)
        default = self._default_kind()
        groups: dict[str, _Group] = {}
        for leaf in leaves:
            group = groups.setdefault(leaf.directory, _Group())
            kind = kind_of(leaf, self._kinds) or default
            if kind is None:
                group.scalars[leaf.tag] = scalar_of(leaf)
            else:
                group.others[leaf.tag] = (kind, kind.checked(leaf))
        self._check_open()
        if not leaves:
            return _nothing
        step = read_step(self._global_step)
        return lambda: self._write(groups, step)

    def _default_kind(self) -> LeafKind | None:
        """The kind of what no prefix claims; None for scalars, which are written together."""
        as_scalars = self._summary_fn is None or self._summary_fn is tensorflow().summary.scalar
        return None if as_scalars else LeafKind(self._summary_fn)  # type: ignore[arg-type]

    def _write(self, groups: Mapping[str, "_Group"], step: int) -> None:
        tf = tensorflow()
        step_tensor = tf.constant(step, tf.int64)
        with self._lock:
            self._check_open()
            # All directories are made before the first value is written: a disk that refuses one refuses the dict.
            writers = {directory: self._writer(directory) for directory in groups}
            if not _is_recording(tf, next(iter(writers.values())).writer):
                return
            for directory, group in groups.items():
                writer = writers[directory]
                admitted = set(writer.admit([*group.scalars, *group.others], step))
                scalars = {tag: value for tag, value in group.scalars.items() if tag in admitted}
                if scalars:
                    write_scalars(writer.writer, scalars, step_tensor)
                if group.others:
                    with writer.writer.as_default():
                        for tag, (kind, value) in group.others.items():
                            if tag in admitted:
                                kind.write(tag, value, step=step)

    def _writer(self, directory: str) -> DirectoryWriter:
        with self._lock:
            self._check_open()
            if directory not in self._writers:
                assert self._summary_dir is not None
                path = os.path.join(self._summary_dir, *directory.split("/")) if directory else self._summary_dir
                self._writers[directory] = DirectoryWriter(path)
            return self._writers[directory]

    def _flush(self) -> None:
        with self._lock:
            for writer in self._writers.values():
                writer.flush()

    def _close(self) -> None:
        with self._lock:
            for writer in self._writers.values():
                writer.close()
            self._writers.clear()

    def _check_open(self) -> None:
        if self._closed:
            raise RuntimeError(f"The summary manager of {self._summary_dir!r} is closed.")


class _Group:
    """The checked values of one directory."""

    def __init__(self) -> None:
        self.scalars: dict[str, float] = {}
        self.others: dict[str, tuple[LeafKind, Any]] = {}


def _is_recording(tf: Any, writer: Any) -> bool:
    """What `tf.summary.record_if` says; what is not recorded must not count as written."""
    with writer.as_default():
        return bool(tf.summary.should_record_summaries())


def _nothing() -> None:
    """Write nothing."""
