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

import numpy as np
from assay.summaries._directory_writer import DirectoryWriter
from assay.summaries._errors import UnwritableSummaryError
from assay.summaries._interface import SummaryManagerInterface
from assay.summaries._scalars import scalar_of, write_scalars
from assay.summaries._tensorflow import run_eagerly, tensorflow
from assay.summaries._tree import Leaf, directory_of, flatten


class SummaryManager(SummaryManagerInterface):
    """Writes nested dicts of scalars as TensorBoard event files.

    A nested mapping becomes a subdirectory, which TensorBoard shows as a run of its own, in its own colour:
    `{"loss": 1.0, "iou": {"road": 0.9}}` writes the tag `loss` in `summary_dir` and the tag `road` in
    `summary_dir/iou`. A tag may hold slashes, which make no directories. Values are stored as float32, as
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

    Raises:
        ValueError: If `summary_dir` is empty.
    """

    def __init__(
        self,
        summary_dir: str | os.PathLike[str] | None,
        summary_fn: Callable[..., Any] | None = None,
        global_step: Any = None,
    ) -> None:
        self._summary_dir = None if summary_dir is None else os.fspath(summary_dir)
        if self._summary_dir == "":
            raise ValueError("`summary_dir` is empty: expected a directory, or None to write nothing.")
        self._summary_fn = summary_fn
        self._global_step = global_step
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
            summary_dict: Names to numbers, or to mappings of the same kind.

        Raises:
            UnwritableSummaryError: If a key or value cannot be written, named by its path.
            ValueError: If there is no step, or it is no integer.
            RuntimeError: If the manager is closed, or a `tf.function` is being traced.
        """
        if self._summary_dir is None:
            return
        run_eagerly(lambda: self._write(summary_dict))

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

    def _write(self, summary_dict: Mapping[str, Any]) -> None:
        tf = tensorflow()
        leaves = flatten(summary_dict)
        as_scalars = self._summary_fn is None or self._summary_fn is tf.summary.scalar
        groups: dict[str, dict[str, Any]] = {}
        for leaf in leaves:
            groups.setdefault(leaf.directory, {})[leaf.tag] = scalar_of(leaf) if as_scalars else _given(leaf)
        with self._lock:
            self._check_open()
            if not leaves:
                return
            step = self._step()
            step_tensor = tf.constant(step, tf.int64)
            # All directories are made before the first value is written: a disk that refuses one refuses the dict.
            writers = {directory: self._writer(directory) for directory in groups}
            if not _is_recording(tf, next(iter(writers.values())).writer):
                return
            for directory, values in groups.items():
                writer = writers[directory]
                admitted = {tag: values[tag] for tag in writer.admit(list(values), step)}
                if as_scalars and admitted:
                    write_scalars(writer.writer, admitted, step_tensor)
                elif self._summary_fn is not None:
                    with writer.writer.as_default():
                        for tag, value in admitted.items():
                            self._summary_fn(tag, value, step=step)

    def _writer(self, directory: str) -> DirectoryWriter:
        with self._lock:
            self._check_open()
            if directory not in self._writers:
                assert self._summary_dir is not None
                path = os.path.join(self._summary_dir, *directory.split("/")) if directory else self._summary_dir
                self._writers[directory] = DirectoryWriter(path)
            return self._writers[directory]

    def _step(self) -> int:
        step = self._global_step
        if step is None:
            step = tensorflow().summary.experimental.get_step()
        elif callable(step) and not hasattr(step, "numpy"):
            step = step()
        if step is None:
            raise ValueError(
                "There is no step to write summaries at. Pass `global_step` to the summary manager, or set one with "
                "`tf.summary.experimental.set_step`."
            )
        number = np.asarray(step.numpy() if hasattr(step, "numpy") else step)
        if number.shape != () or number.dtype.kind not in "iu":
            raise ValueError(
                f"`global_step` must be one integer. Received a {type(step).__name__} of shape {number.shape} "
                f"and dtype {number.dtype.name}."
            )
        return int(number)

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


def _is_recording(tf: Any, writer: Any) -> bool:
    """What `tf.summary.record_if` says; what is not recorded must not count as written."""
    with writer.as_default():
        return bool(tf.summary.should_record_summaries())


def _given(leaf: Leaf) -> Any:
    if leaf.value is None:
        raise UnwritableSummaryError(f"The summary {leaf.path!r} is None: it was never filled.")
    return leaf.value
