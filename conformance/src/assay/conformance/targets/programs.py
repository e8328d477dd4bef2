"""Programs: compiled functions of a subject, lowered to HLO so that a compiler can be asked about them."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections.abc import Callable
from typing import Any

from assay.conformance.harness.calls import calling


@dataclasses.dataclass(frozen=True, eq=False)
class Program:
    """A function of tensors that a target must be able to run; it is traced once.

    Attributes:
      name: What messages call it: `train_step`, `the loss and its gradients`.
      function: Takes and returns nested tensors; the variables that it reads and writes are captured.
      arguments: What it is called with; the shapes are what it is compiled for.
      placed: Makes the context to trace it in: a precision policy, a device.
      replicas: How many devices run it together.
    """

    name: str
    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    placed: Callable[[], contextlib.AbstractContextManager[Any]] = contextlib.nullcontext
    replicas: int = 1

    @functools.cached_property
    def leaves(self) -> list[Any]:
        """The tensors of the arguments, one after another."""
        import tensorflow as tf

        return list(tf.nest.flatten(self.arguments, expand_composites=True))

    @functools.cached_property
    def compiled(self) -> Any:
        """A `tf.function` of the tensors, one after another, for XLA."""
        import tensorflow as tf

        def run(*leaves: Any) -> Any:
            return self.function(*tf.nest.pack_sequence_as(self.arguments, list(leaves), expand_composites=True))

        return tf.function(run, jit_compile=True)

    @property
    def specs(self) -> list[Any]:
        """Shape and dtype of each tensor: what a compiler knows of it."""
        import tensorflow as tf

        return [tf.TensorSpec(leaf.shape, leaf.dtype) for leaf in self.leaves]


def lower(program: Program) -> bytes:
    """Return a program as a serialised `xla.HloModuleProto`.

    It is lowered from the shapes of its arguments: XLA on the CPU would take their values for constants where an
    operation needs one, and no device could do so.

    The kernels that lower it are those of XLA on the CPU: TensorFlow's Linux wheel has none for a TPU, and lowers a
    program with variables for no device but one that is there. The operations that can be lowered are nearly the same;
    the target's own compiler has the last word.

    Raises:
      SubjectError: If an operation cannot be lowered.
    """
    with program.placed(), calling(f"{program.name}, lowered by XLA"):
        return bytes(program.compiled.experimental_get_compiler_ir(*program.specs)(stage="hlo_serialized"))


def trace(program: Program) -> Any:
    """Return the graph of a program, traced and not run.

    Raises:
      SubjectError: If it cannot be traced.
    """
    with program.placed(), calling(f"{program.name}, while it is traced"):
        return program.compiled.get_concrete_function(*program.specs).graph
