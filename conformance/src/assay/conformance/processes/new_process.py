"""Work in a new process, which knows of this one only what it is told."""

from __future__ import annotations

import atexit
import contextlib
import os
import pickle
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from assay.conformance.model.errors import NotApplicable, NotRun, SubjectError, Violation
from assay.conformance.model.vocabulary import Target
from assay.conformance.processes import nursery

CAN_FORK = sys.platform == "linux"
"""Whether processes are forked by a nursery; elsewhere each piece of work gets an interpreter of its own."""

_LONGEST_ADDRESS = 100  # a Unix socket's path is cut at 107 bytes


class ProcessDied(Exception):  # noqa: N818 - it says what became of a process
    """A new process ended before its work was done."""


class Work:
    """A piece of work in a new process, while it is done there.

    Args:
      function: A function of a module that the new process can import.
      target: The target; GPUs are hidden when it is another.
      **arguments: Its arguments, which can be pickled.
    """

    def __init__(self, function: Callable[..., Any], target: Target, **arguments: Any) -> None:
        import tensorflow as tf

        piece = {
            "function": f"{function.__module__}:{function.__qualname__}",
            "arguments": arguments,
            "environment": dict(os.environ),
            "path": [entry or os.getcwd() for entry in sys.path],
            "folder": os.getcwd(),
            "logical_cpus": len(tf.config.list_logical_devices("CPU")),
            "target": target.value,
        }
        self._folder = tempfile.TemporaryDirectory(prefix="assay-process-")
        self._path = f"{self._folder.name}/work"
        Path(self._path).write_bytes(pickle.dumps(piece))
        self._process = _start(self._path)

    def ended(self) -> bool:
        """Whether its process has ended, as far as that can be told without waiting."""
        return self._process.ended()

    def wait(self) -> int:
        """Wait for the end of its process, and return the exit code: negative when a signal ended it."""
        return self._process.wait()

    def answer(self) -> dict[str, Any] | None:
        """Return what it wrote before it ended; None when it died before that."""
        path = Path(self._path + nursery.ANSWER)
        answer = pickle.loads(path.read_bytes()) if path.exists() else None
        assert answer is None or isinstance(answer, dict)
        return answer

    def end(self) -> None:
        """End its process, and forget the work."""
        self._process.end()
        self._folder.cleanup()


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
    work = Work(function, target, **arguments)
    try:
        code, answer = work.wait(), work.answer()
    finally:  # out of time, or interrupted: nobody waits for the work any more
        work.end()
    if answer is None:
        how = f"died of {signal.Signals(-code).name}" if code < 0 else f"ended itself with exit code {code}"
        raise SubjectError(doing, ProcessDied(f"the process {how}"))
    return _value(answer)


def warm_up() -> None:
    """Start the nursery, which imports TensorFlow while this process does something else."""
    if CAN_FORK and not nursery.served_by:
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


class _Forked:
    """A process that a nursery forked, by the connection over which it says how it ended."""

    def __init__(self, address: str, path: str) -> None:
        self._connection = socket.socket(socket.AF_UNIX)
        self._connection.connect(address)
        self._connection.sendall(path.encode())

    def ended(self) -> bool:
        return bool(select.select([self._connection], [], [], 0)[0])

    def wait(self) -> int:
        code = self._connection.recv(16).decode()
        if not code:
            raise RuntimeError("The process that makes new processes has died.")
        return int(code)

    def end(self) -> None:
        self._connection.close()


class _Interpreter:
    """A new interpreter."""

    def __init__(self, path: str) -> None:
        self._process = subprocess.Popen(
            nursery.command("work", path), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def ended(self) -> bool:
        return self._process.poll() is not None

    def wait(self) -> int:
        return self._process.wait()

    def end(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()


def _start(path: str) -> _Forked | _Interpreter:
    """Start on a piece of work: in a process of the nursery that forked this one, or else of this one's own."""
    if not CAN_FORK:
        return _Interpreter(path)
    return _Forked(nursery.served_by or _the_nursery().address, path)


class _Nursery:
    """The nursery's process."""

    def __init__(self) -> None:
        self.owner = os.getpid()
        self.flavour = os.environ.get("TF_USE_LEGACY_KERAS")
        self._folder = _folder_for_address()
        self.address = f"{self._folder.name}/socket"
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(self.address)
            listener.listen()
            self._process = subprocess.Popen(
                nursery.command("main", str(listener.fileno()), self.address),
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=[listener.fileno()],
                start_new_session=True,  # so that it can be ended together with what it has forked
            )

    @property
    def usable(self) -> bool:
        """Whether it is this process's own, of this Keras flavour, and alive."""
        mine = self.owner == os.getpid() and self.flavour == os.environ.get("TF_USE_LEGACY_KERAS")
        return mine and self._process.poll() is None

    def end(self) -> None:
        """End it and what it has forked."""
        if self.owner != os.getpid() or self._process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
        self._folder.cleanup()


def _folder_for_address() -> tempfile.TemporaryDirectory[str]:
    """A folder that only this user can enter, with a path that is short enough for a socket in it."""
    short = len(tempfile.gettempdir()) + len("/assay-nursery-12345678/socket") <= _LONGEST_ADDRESS
    return tempfile.TemporaryDirectory(prefix="assay-nursery-", dir=None if short else "/tmp")


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
