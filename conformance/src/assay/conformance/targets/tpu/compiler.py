"""The TPU compiler, run ahead of time on a machine without a TPU.

It is asked in a process of its own, one for each process of the suite.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib.metadata
import os

from assay.conformance.stablehlo.versions import JaxMissingError, require_jax
from assay.conformance.targets.tpu.topologies import DEFAULT_TOPOLOGY, Topology
from assay.conformance.targets.tpu.worker import Worker, WorkerDiedError

_INSTALL = "pip install 'assay-conformance[tpu]'"
_OUT_OF_MEMORY = ("RESOURCE_EXHAUSTED", "Ran out of memory")


class CompilerMissingError(Exception):
    """The TPU compiler is not installed, or not in a version that is known to work."""


class CompilerRefusedError(Exception):
    """The TPU compiler does not take a program; the message is the compiler's, shortened.

    Attributes:
      compiler: The compiler's version.
      out_of_memory: Whether the reason is that the program needs more memory than the chip has.
    """

    def __init__(self, message: str, compiler: str = "") -> None:
        super().__init__(_essence(message))
        self.compiler = compiler
        self.out_of_memory = any(sign in message for sign in _OUT_OF_MEMORY)


class CompilerUndecidedError(Exception):
    """Nothing is known of the program: the compiler crashed over it, or it cannot be put in the compiler's language."""


@dataclasses.dataclass(frozen=True)
class CompiledProgram:
    """What the TPU compiler says about a program that it took; of each device, where several run it.

    Attributes:
      topology: What it was compiled for.
      replicas: How many devices run it together.
      compiler: The compiler's version.
      argument_bytes: Memory of the arguments, variables among them.
      output_bytes: Memory of the results, the new values of variables among them.
      aliased_bytes: The part of the results that lies where arguments were.
      temporary_bytes: Memory of everything in between.
      code_bytes: Memory of the program itself.
      flops: Floating-point operations of one call, as the compiler estimates them.
    """

    topology: Topology
    replicas: int
    compiler: str
    argument_bytes: int
    output_bytes: int
    aliased_bytes: int
    temporary_bytes: int
    code_bytes: int
    flops: float

    @property
    def memory_bytes(self) -> int:
        """Memory that one call needs at most."""
        return self.argument_bytes + self.output_bytes - self.aliased_bytes + self.temporary_bytes + self.code_bytes


def require_compiler() -> None:
    """Return when the TPU compiler can be used here.

    Raises:
      CompilerMissingError: If it cannot; the message says what to install.
    """
    try:
        importlib.metadata.version("libtpu")
        require_jax()
    except importlib.metadata.PackageNotFoundError as missing:
        raise CompilerMissingError(f"The TPU compiler is not installed ({missing.name}): {_INSTALL}.") from None
    except JaxMissingError as missing:
        raise CompilerMissingError(f"The TPU compiler cannot be reached: {missing} {_INSTALL}.") from None


def warm_up() -> None:
    """Start the compiler's process, which loads it while this one goes on; nothing where there is no compiler."""
    try:
        require_compiler()
    except CompilerMissingError:
        return
    _worker()


def compile_program(module: bytes, topology: Topology = DEFAULT_TOPOLOGY, *, replicas: int = 1) -> CompiledProgram:
    """Compile a program for devices of a topology.

    Args:
      module: A serialised `xla.HloModuleProto`, as `tf.function(jit_compile=True).experimental_get_compiler_ir` gives
        for the stage `hlo_serialized`.
      topology: What to compile for.
      replicas: How many devices run it together, exchanging what they sum across replicas.

    Raises:
      CompilerMissingError: If the compiler is not there, or its interface is another.
      CompilerRefusedError: If the compiler does not take the program.
      CompilerUndecidedError: If it crashed, or could not be given the program.
    """
    require_compiler()
    try:
        answer = _worker().ask(module, topology=topology.name, replicas=replicas)
    except WorkerDiedError as died:
        raise CompilerUndecidedError(f"The TPU compiler itself crashed over it ({died}).") from died
    if "missing" in answer:
        raise CompilerMissingError(f"The TPU compiler cannot be used: {_essence(answer['missing'])}")
    if "inexpressible" in answer:
        raise CompilerUndecidedError(f"It has no form that the compiler can read: {_essence(answer['inexpressible'])}")
    if "refused" in answer:
        raise CompilerRefusedError(answer["refused"], answer["compiler"])
    return CompiledProgram(topology=topology, replicas=replicas, **answer["taken"])


def _worker() -> Worker:
    """The compiler's process; another when it has died."""
    worker = _worker_of(os.getpid())
    if not worker.alive:
        _worker_of.cache_clear()
        worker = _worker_of(os.getpid())
    return worker


@functools.cache
def _worker_of(process: int) -> Worker:
    """One for each process of the suite: what was forked must not share its parent's."""
    return Worker()


def _essence(message: str) -> str:
    """The compiler's first sentence, without listings of the program."""
    told = message.partition("Suspected Python Code Location")[0]
    lines = [line.strip() for line in told.strip().splitlines() if line.strip()]
    return " ".join(lines[:2])[:500]
