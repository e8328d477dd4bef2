"""The one place that touches jax's private corners: StableHLO modules, and compilers that take them.

jax imports nothing of TensorFlow, and neither does this module: programs are replayed where there is no TensorFlow.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from assay.conformance.stablehlo.versions import private_corners, require_jax


class NoSuchPlatformError(Exception):
    """jax sees no device of a platform."""


@contextlib.contextmanager
def mlir_context() -> Iterator[None]:
    """Make the context in which modules are parsed, rewritten and compiled; a module does not outlive it.

    Raises:
      JaxMissingError: If jax is not there, or its interface is another than expected.
    """
    require_jax()
    with private_corners():
        from jax._src.interpreters import mlir
    with mlir.make_ir_context():
        yield


def parse(text: str | bytes) -> Any:
    """Return a module from MLIR text or bytecode.

    Raises:
      ValueError: If it is none.
    """
    ir = _ir()
    try:
        return ir.Module.parse(text)
    except ir.MLIRError as error:  # which is no ValueError
        raise ValueError(str(error)) from error


def stablehlo_of(module: bytes) -> bytes:
    """Return an HLO module as StableHLO, MLIR bytecode.

    Args:
      module: A serialised `xla.HloModuleProto` without the instructions that StableHLO does not have.

    Raises:
      ValueError, RuntimeError: If an instruction has no equivalent.
    """
    require_jax()
    with private_corners():
        from jax._src.lib import _jax

        convert = _jax.mlir.hlo_to_stablehlo
    return bytes(convert(module))


def write_artifact(module: Any) -> bytes:
    """Return a module as a portable artifact, which jax of the next months and of those before can read."""
    with private_corners():
        from jax._src.lib.mlir.dialects import hlo
        from jax.extend.mlir import serialize_portable_artifact

        version = hlo.get_version_from_compatibility_requirement(hlo.StablehloCompatibilityRequirement.WEEK_12)
    return bytes(serialize_portable_artifact(module, version))


def read_artifact(content: bytes) -> Any:
    """Return the module of a portable artifact.

    Raises:
      ValueError, RuntimeError: If it is none, or of a version that this jax does not read.
    """
    with private_corners():
        from jax.extend.mlir import deserialize_portable_artifact
    return deserialize_portable_artifact(content)


def signature(module: Any) -> tuple[list[tuple[tuple[int, ...], str]], list[tuple[tuple[int, ...], str]]]:
    """Return shape and element type of each argument and of each result of a module's function `main`."""
    ir = _ir()
    (main,) = [one for one in module.body.operations if _ir().StringAttr(one.attributes["sym_name"]).value == "main"]
    kind = ir.FunctionType(ir.TypeAttr(main.attributes["function_type"]).value)

    def described(types: Sequence[Any]) -> list[tuple[tuple[int, ...], str]]:
        tensors = [ir.RankedTensorType(one) for one in types]
        return [(tuple(one.shape), str(one.element_type)) for one in tensors]

    return described(kind.inputs), described(kind.results)


def each_operation(module: Any, visit: Callable[[Any], None]) -> None:
    """Call a function with every operation of a module, at any depth."""
    ir = _ir()

    def walk(operation: Any) -> Any:
        visit(operation)
        return ir.WalkResult.ADVANCE

    module.operation.walk(walk)


def set_precision(operation: Any, level: str) -> None:
    """Ask for a precision of the operands of a product: `DEFAULT`, `HIGH` or `HIGHEST`."""
    ir = _ir()
    operation.attributes["precision_config"] = ir.ArrayAttr.get(
        [ir.Attribute.parse(f"#stablehlo<precision {level}>")] * 2
    )


def round_operands(operation: Any, *, exponent_bits: int, mantissa_bits: int) -> None:
    """Round the first two operands of an operation to a smaller format before it."""
    ir = _ir()
    with private_corners():
        from jax._src.lib.mlir.dialects import hlo
    with ir.InsertionPoint(operation), ir.Location.unknown():
        for index in range(2):
            rounded = hlo.reduce_precision(operation.operands[index], exponent_bits, mantissa_bits)
            operation.operation.operands[index] = rounded


def set_up_jax(platform: str | None) -> None:
    """Switch 64-bit types on, and keep jax from starting other platforms where the CPU is asked for."""
    require_jax()
    import jax

    jax.config.update("jax_enable_x64", True)
    if platform == "cpu":
        jax.config.update("jax_platforms", "cpu")


def first_device(platform: str | None) -> Any:
    """Return the first device of a platform, or of the best platform that jax sees.

    Args:
      platform: `cpu`, `gpu`, `tpu`; the best there is when None.

    Raises:
      NoSuchPlatformError: If jax sees none; the message is jax's.
    """
    import jax

    try:
        return jax.devices(platform)[0]
    except RuntimeError as none:
        raise NoSuchPlatformError(str(none).splitlines()[0]) from none


class Executable:
    """A compiled program on one device.

    Args:
      module: The module; its function `main` takes and returns tensors.
      device: The device.

    Raises:
      ValueError, RuntimeError: If the device's compiler refuses the module.
    """

    def __init__(self, module: Any, device: Any) -> None:
        with private_corners():
            from jax._src.lib import _jax
            from jax.extend.backend import get_compile_options

            devices, client = _jax.DeviceList((device,)), device.client
            options = get_compile_options(num_replicas=1, num_partitions=1)
        self._device = device
        self._loaded = client.compile_and_load(module, devices, options)

    def place(self, arguments: Sequence[np.ndarray]) -> list[Any]:
        """Copy arguments to the device."""
        import jax

        return [jax.device_put(argument, self._device) for argument in arguments]

    def run(self, placed: Sequence[Any]) -> list[Any]:
        """Run on arguments that are on the device, wait, and return the results, which are there too."""
        import jax

        shards = self._loaded.execute_sharded(list(placed)).disassemble_into_single_device_arrays()
        results = [own[0] for own in shards]
        jax.block_until_ready(results)
        return results


def _ir() -> Any:
    with private_corners():
        from jax._src.lib.mlir import ir
    return ir
