"""The nursery: a process that has imported TensorFlow, never started it, and forks a process for each piece of work.

A new process costs seconds, nearly all of them for importing TensorFlow. The nursery pays them once. What it forks has
seen neither the subject nor the parent's memory: no variable, no counter of layer names, no random state, no devices.

It listens on a Unix socket. Whoever connects sends the path of a piece of work and is told, when its process has ended,
with which exit code; several may be at work at a time. Closing the connection ends that process.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import pickle
import select
import signal
import socket
import sys
import threading
import traceback
from pathlib import Path
from typing import Any

from assay.conformance.model.errors import NotApplicable, NotRun, SubjectError, Violation

_STDIN, _STDOUT = 0, 1
_IMPORTED = ("numpy", "tensorflow", "assay.conformance.harness.tasks", "assay.conformance.checking")
_LONGEST_PATH = 4096
ANSWER = ".answer"
"""What is added to the path of a piece of work for the path of its answer."""

served_by = ""
"""The address of the nursery that forked this process; empty in any other process."""


def command(main: str, *arguments: str) -> list[str]:
    """Return the command that runs a function of this module in an interpreter of its own, with this one's path."""
    code = f"import sys, json; sys.path[:] = json.loads(sys.argv[1]); from {__name__} import {main}; {main}()"
    return [sys.executable, "-c", code, json.dumps(sys.path), *arguments]


def main() -> None:
    """Serve pieces of work until standard input ends: its last arguments are a listening socket and its address."""
    global served_by
    listener, served_by = socket.socket(fileno=int(sys.argv[-2])), sys.argv[-1]
    os.dup2(os.open(os.devnull, os.O_WRONLY), _STDOUT)  # what the work prints is for nobody
    _import_all()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # those who attend to a piece of work are not waited for
    while _STDIN not in (ready := select.select([_STDIN, listener.fileno()], [], [])[0]):
        if ready:
            connection, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                _attend(connection)
            connection.close()
    os.killpg(0, signal.SIGKILL)  # the parent has left; nobody waits for what is still at work


def work() -> None:
    """Do one piece of work, whose path is the last argument, in an interpreter of its own."""
    _do(sys.argv[-1])


def _import_all() -> None:
    for name in _IMPORTED:
        importlib.import_module(name)
    import tensorflow as tf

    tf.keras.Model  # noqa: B018 - `tf.keras` is imported when it is first asked for


def _attend(connection: socket.socket) -> None:
    """Have a piece of work done in a new process, and send its exit code: negative when a signal ended it."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    path = connection.recv(_LONGEST_PATH).decode()
    if path:
        child = os.fork()
        if child == 0:
            connection.close()
            _do(path)
        threading.Thread(target=_end_when_closed, args=(connection, child), daemon=True).start()
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        with contextlib.suppress(OSError):
            connection.sendall(f"{code}\n".encode())
    os._exit(0)


def _end_when_closed(connection: socket.socket, process: int) -> None:
    with contextlib.suppress(OSError):
        connection.recv(1)  # nothing more is sent: it returns when the other side closes
        os.kill(process, signal.SIGKILL)


def _do(path: str) -> None:
    """Do a piece of work in this process, which ends with it."""
    with open(path, "rb") as file:
        piece = pickle.load(file)
    os.environ.clear()
    os.environ.update(piece["environment"])
    sys.path[:] = piece["path"]
    os.chdir(piece["folder"])
    answer = _answer(piece)
    Path(path + ANSWER).write_bytes(answer)
    os._exit(0)  # what the subject left behind (threads, exit handlers) is not waited for


def _answer(piece: dict[str, Any]) -> bytes:
    """What the piece of work returns or raises, pickled."""
    try:
        _set_up_devices(piece["logical_cpus"], piece["target"])
        module, _, name = piece["function"].partition(":")
        value = getattr(importlib.import_module(module), name)(**piece["arguments"])
        return pickle.dumps({"value": value})
    except SubjectError as error:
        return pickle.dumps({"subject error": (error.doing, *described(error.original))})
    except Violation as found:
        return pickle.dumps({"violation": (found.observed, found.cause, found.fix)})
    except NotApplicable as lifted:
        return pickle.dumps({"not applicable": lifted.reason})
    except NotRun as absent:
        return pickle.dumps({"not run": (absent.reason, absent.remedy)})
    except BaseException:  # an error of the suite; the parent raises it
        return pickle.dumps({"error": traceback.format_exc()})


def described(exception: BaseException) -> tuple[str, str]:
    """Return the type's name and the message of an exception, with its traceback as native code writes tracebacks."""
    frames = "".join(traceback.format_list(traceback.extract_tb(exception.__traceback__)))
    return type(exception).__name__, f"{exception}\n{frames}"


def _set_up_devices(logical_cpus: int, target: str) -> None:
    """Give TensorFlow the devices that the parent has."""
    import tensorflow as tf
    from assay.conformance.devices import prepare_gpus

    with contextlib.suppress(RuntimeError):
        if target == "gpu":
            prepare_gpus()
        else:
            tf.config.set_visible_devices([], "GPU")
        if logical_cpus > 1:
            cpu = tf.config.list_physical_devices("CPU")[0]
            tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * logical_cpus)
