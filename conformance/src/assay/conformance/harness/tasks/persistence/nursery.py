"""The nursery: a process that has imported TensorFlow, never started it, and forks a process for each piece of work.

A new process costs seconds, nearly all of them for importing TensorFlow. The nursery pays them once. What it forks has
seen neither the subject nor the parent's memory: no variable, no counter of layer names, no random state, no devices.

Where processes cannot be forked safely, each piece of work gets an interpreter of its own.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import pickle
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any

from assay.conformance.model.errors import NotApplicable, NotRun, SubjectError, Violation

_STDOUT = 1
_CAN_FORK = sys.platform == "linux"
_IMPORTED = ("numpy", "tensorflow", "assay.conformance.harness")
READY = "ready"
ANSWER = ".answer"
"""What is added to the path of a piece of work for the path of its answer."""


def command(main: str, *arguments: str) -> list[str]:
    """Return the command that runs a function of this module in an interpreter of its own, with this one's path."""
    code = f"import sys, json; sys.path[:] = json.loads(sys.argv[1]); from {__name__} import {main}; {main}()"
    return [sys.executable, "-c", code, json.dumps(sys.path), *arguments]


def main() -> None:
    """Serve pieces of work: a line with a path in, a line with the exit code of its process out."""
    replies = os.fdopen(os.dup(_STDOUT), "w", encoding="utf-8", buffering=1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), _STDOUT)  # what the work prints must not be taken for a reply
    if _CAN_FORK:
        _import_all()
    print(READY, file=replies)
    for line in sys.stdin:
        print(_run(line.strip()), file=replies)


def work() -> None:
    """Do one piece of work, whose path is the last argument, in an interpreter of its own."""
    _do(sys.argv[-1])


def _import_all() -> None:
    for name in _IMPORTED:
        importlib.import_module(name)
    import tensorflow as tf

    tf.keras.Model  # noqa: B018 - `tf.keras` is imported when it is first asked for


def _run(path: str) -> int:
    """Do a piece of work in a new process, and return its exit code: negative when a signal ended it."""
    if not _CAN_FORK:
        return subprocess.run(command("work", path), check=False).returncode
    child = os.fork()
    if child == 0:
        _do(path)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


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

    with contextlib.suppress(RuntimeError):
        if target != "gpu":
            tf.config.set_visible_devices([], "GPU")
        if logical_cpus > 1:
            cpu = tf.config.list_physical_devices("CPU")[0]
            tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * logical_cpus)
