"""Work in a new process, which knows of this one only what it is told."""

from __future__ import annotations

import atexit
import contextlib
import os
import pickle
import signal
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from assay.conformance.harness.tasks.persistence import nursery
from assay.conformance.model.errors import NotApplicable, NotRun, SubjectError, Violation
from assay.conformance.model.vocabulary import Target


class ProcessDied(Exception):  # noqa: N818 - it says what became of a process
    """A new process ended before its work was done."""


def run_in_new_process(function: Callable[..., Any], target: Target, doing: str, **arguments: Any) -> Any:
    """Call a function in a new process with this one's devices, environment, import path and working directory.

    Args:
      function: A function of a module that the new process can import.
      target: The target; GPUs are hidden when it is another.
      doing: What it does to the subject, for messages: `resuming in a new process`.
      **arguments: Its arguments, which can be pickled.

    Returns:
      What it returned.

    Raises:
      SubjectError: If the subject raised there, or ended the process.
      Violation: If the function raised it; likewise `NotApplicable` and `NotRun`.
      RuntimeError: If anything else was raised there, which is an error of the suite.
    """
    import tensorflow as tf

    piece = {
        "function": f"{function.__module__}:{function.__qualname__}",
        "arguments": arguments,
        "environment": dict(os.environ),
        "path": [entry or os.getcwd() for entry in nursery.sys.path],
        "folder": os.getcwd(),
        "logical_cpus": len(tf.config.list_logical_devices("CPU")),
        "target": target.value,
    }
    with tempfile.TemporaryDirectory(prefix="assay-process-") as folder:
        path = Path(folder) / "work"
        path.write_bytes(pickle.dumps(piece))
        code = _the_nursery().ask(str(path))
        answer = Path(f"{path}{nursery.ANSWER}")
        if not answer.exists():
            how = f"died of {signal.Signals(-code).name}" if code < 0 else f"ended itself with exit code {code}"
            raise SubjectError(doing, ProcessDied(f"the process {how}"))
        return _value(pickle.loads(answer.read_bytes()))


def warm_up() -> None:
    """Start the nursery, which imports TensorFlow while this process does something else."""
    _the_nursery()


def _value(answer: dict[str, Any]) -> Any:
    """What the new process returned; what it raised is raised here."""
    ((what, content),) = answer.items()
    if what == "subject error":
        doing, name, message = content
        raise SubjectError(f"{doing}, in a new process", type(name, (Exception,), {})(message))
    if what == "violation":
        observed, cause, fix = content
        raise Violation(observed, cause=cause, fix=fix)
    if what == "not applicable":
        raise NotApplicable(content)
    if what == "not run":
        raise NotRun(content[0], remedy=content[1])
    if what == "error":
        raise RuntimeError(f"In a new process:\n{content}")
    return content


class _Nursery:
    """The nursery's process, and the talk with it."""

    def __init__(self) -> None:
        self.owner = os.getpid()
        self.flavour = os.environ.get("TF_USE_LEGACY_KERAS")
        self._ready = False
        self._process = subprocess.Popen(
            nursery.command("main"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            encoding="utf-8",
            start_new_session=True,  # so that it can be ended together with what it has forked
        )

    @property
    def usable(self) -> bool:
        """Whether it is this process's own, of this Keras flavour, and alive."""
        mine = self.owner == os.getpid() and self.flavour == os.environ.get("TF_USE_LEGACY_KERAS")
        return mine and self._process.poll() is None

    def ask(self, path: str) -> int:
        """Have a piece of work done, and return the exit code of its process."""
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            if not self._ready:
                self._read()
                self._ready = True
            process.stdin.write(f"{path}\n")
            process.stdin.flush()
            return int(self._read())
        except BaseException:  # out of time, or interrupted: the work goes on there and nobody waits for it
            self.end()
            raise

    def _read(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline().strip()
        if not line:
            raise RuntimeError(f"The process that makes new processes left with exit code {self._process.wait()}.")
        return line

    def end(self) -> None:
        """End it and what it has forked."""
        if self.owner != os.getpid() or self._process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()


_ALIVE: list[_Nursery] = []


def _the_nursery() -> _Nursery:
    """The nursery of this process; started when there is none."""
    for one in [one for one in _ALIVE if not one.usable]:
        one.end()
        _ALIVE.remove(one)
    if not _ALIVE:
        _ALIVE.append(_Nursery())
        atexit.register(_ALIVE[0].end)
    return _ALIVE[0]
