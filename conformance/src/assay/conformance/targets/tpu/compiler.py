"""The TPU compiler, run ahead of time on a machine without a TPU.

libtpu, which holds the compiler, makes compile-only devices of any topology, and jax reaches it.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib.metadata
import os
from typing import Any

from assay.conformance.stablehlo import adapter
from assay.conformance.stablehlo.hlo import without_copies
from assay.conformance.stablehlo.versions import JaxMissingError, private_corners, require_jax
from assay.conformance.targets.tpu.topologies import DEFAULT_TOPOLOGY, Topology

_INSTALL = "pip install 'assay-conformance[tpu]'"
_ENVIRONMENT = {
    "TPU_SKIP_MDS_QUERY": "1",  # there is no TPU machine to ask about itself
    "TPU_ACCELERATOR_TYPE": "v5litepod-4",
    "TPU_WORKER_HOSTNAMES": "localhost",
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",  # nothing is run: several processes may compile at a time
}


class CompilerMissingError(Exception):
    """The TPU compiler is not installed, or not in a version that is known to work."""


class CompilerRefusedError(Exception):
    """The TPU compiler does not take a program; the message is the compiler's, shortened.

    Attributes:
      out_of_memory: Whether the reason is that the program needs more memory than the chip has.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.out_of_memory = "RESOURCE_EXHAUSTED" in message or "Ran out of memory" in message


@dataclasses.dataclass(frozen=True)
class CompiledProgram:
    """What the TPU compiler says about a program that it took.

    Attributes:
      topology: What it was compiled for.
      compiler: The compiler's version.
      argument_bytes: Memory of the arguments, variables among them.
      output_bytes: Memory of the results, the new values of variables among them.
      aliased_bytes: The part of the results that lies where arguments were.
      temporary_bytes: Memory of everything in between.
      code_bytes: Memory of the program itself.
      flops: Floating-point operations of one call, as the compiler estimates them.
    """

    topology: Topology
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


def compiler_version(topology: Topology = DEFAULT_TOPOLOGY) -> str:
    """Return the compiler's version: `libtpu 0.0.52`, and the day it was built.

    Raises:
      CompilerMissingError: If it is not there.
    """
    lines = _client(topology).platform_version.splitlines()
    built = next((line.partition("(")[0].strip() for line in lines if line.startswith("Built on")), "")
    return f"libtpu {importlib.metadata.version('libtpu')}" + (f" (b{built[1:]})" if built else "")


def compile_program(module: bytes, topology: Topology = DEFAULT_TOPOLOGY) -> CompiledProgram:
    """Compile a program for one device of a topology.

    Args:
      module: A serialised `xla.HloModuleProto`, as `tf.function(jit_compile=True).experimental_get_compiler_ir` gives
        for the stage `hlo_serialized`.
      topology: What to compile for.

    Raises:
      CompilerMissingError: If the compiler is not there, or its interface is another.
      CompilerRefusedError: If the compiler does not take the program.
    """
    client = _client(topology)
    try:
        with private_corners():
            from jax._src.lib import _jax
            from jax.extend.backend import get_compile_options

            devices = _jax.DeviceList((_device(topology),))
            options = get_compile_options(num_replicas=1, num_partitions=1)
        with adapter.mlir_context():
            lowered = adapter.parse(adapter.stablehlo_of(without_copies(module)))
            executable = client.compile(lowered, devices, options)
    except JaxMissingError as changed:
        raise CompilerMissingError(str(changed)) from changed
    except (RuntimeError, ValueError) as refused:
        raise CompilerRefusedError(_essence(str(refused))) from refused
    memory = executable.get_compiled_memory_stats()
    return CompiledProgram(
        topology=topology,
        compiler=compiler_version(topology),
        argument_bytes=memory.argument_size_in_bytes,
        output_bytes=memory.output_size_in_bytes,
        aliased_bytes=memory.alias_size_in_bytes,
        temporary_bytes=memory.temp_size_in_bytes,
        code_bytes=memory.generated_code_size_in_bytes,
        flops=float(executable.cost_analysis().get("flops", 0.0)),
    )


def _client(topology: Topology) -> Any:
    return _device(topology).client


@functools.cache
def _device(topology: Topology) -> Any:
    """The first compile-only device of a topology."""
    require_compiler()
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    from jax.experimental import topologies

    try:
        return topologies.get_topology_desc(platform="tpu", topology_name=topology.name).devices[0]
    except (RuntimeError, ValueError, NotImplementedError) as refused:
        raise CompilerMissingError(
            f"The TPU compiler makes no devices of the topology {topology.name}: {_essence(str(refused))}"
        ) from refused


def _essence(message: str) -> str:
    """The compiler's first sentence, without listings of the program."""
    told = message.partition("Suspected Python Code Location")[0]
    lines = [line.strip() for line in told.strip().splitlines() if line.strip()]
    return " ".join(lines[:2])[:500]
