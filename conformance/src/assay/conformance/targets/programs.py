"""Programs: compiled functions of a subject, lowered to HLO so that a compiler can be asked about them."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable
from typing import Any

from assay.conformance.harness.calls import calling


@dataclasses.dataclass(frozen=True, eq=False)
class Program:
    """A function of tensors that a target must be able to run.

    Attributes:
      name: What messages call it: `train_step`, `the loss and its gradients`.
      function: Takes and returns nested tensors; the variables that it reads and writes are captured.
      arguments: What it is called with; the shapes are what it is compiled for.
      placed: Makes the context to trace it in: a precision policy, a device.
    """

    name: str
    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    placed: Callable[[], contextlib.AbstractContextManager[Any]] = contextlib.nullcontext


def lower(program: Program) -> bytes:
    """Return a program as a serialised `xla.HloModuleProto`.

    The kernels that lower it are those of XLA on the CPU: TensorFlow's Linux wheel has none for a TPU, and lowers a
    program with variables for no device but one that is there. The operations that can be lowered are nearly the same;
    the target's own compiler has the last word.

    Raises:
      SubjectError: If an operation cannot be lowered.
    """
    import tensorflow as tf

    # Through a function of exactly these arguments: others that have defaults would have to be passed here.
    compiled = tf.function(lambda *arguments: program.function(*arguments), jit_compile=True)
    with program.placed(), calling(f"{program.name}, lowered by XLA"):
        return bytes(compiled.experimental_get_compiler_ir(*program.arguments)(stage="hlo_serialized"))


def trace(program: Program) -> Any:
    """Return the graph of a program, traced and not run.

    Raises:
      SubjectError: If it cannot be traced.
    """
    import tensorflow as tf

    with program.placed(), calling(f"{program.name}, while it is traced"):
        return tf.function(program.function).get_concrete_function(*program.arguments).graph
