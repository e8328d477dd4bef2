"""The arithmetic of matrix products and convolutions in float32, which accelerators do in fewer bits unless asked.

A GPU of the Ampere generation and later multiplies float32 numbers with 10 bits of mantissa (TensorFloat-32), a TPU
with 7 (bfloat16); both add in float32. Each mode has one meaning on every platform: where the hardware has no such
product, the operands are rounded to the same bits first, and the product is exact.

References:
  jax, `jax.default_matmul_precision`.
  NVIDIA, "TensorFloat-32 in the A100 GPU": https://blogs.nvidia.com/blog/tensorfloat-32-precision-format/
"""

from __future__ import annotations

import dataclasses
import enum
from typing import Any

from assay.conformance.stablehlo import adapter

_PRODUCTS = frozenset({"stablehlo.dot", "stablehlo.dot_general", "stablehlo.convolution"})
_EXPONENT_BITS = 8


class MatmulPrecision(enum.StrEnum):
    """What is asked for."""

    PROGRAM = "program"
    """What the program asks for itself: what TensorFlow would run on that platform."""
    FLOAT32 = "float32"
    """No shortcut on any platform."""
    TENSORFLOAT32 = "tensorfloat32"
    """Operands with 10 bits of mantissa."""
    BFLOAT16 = "bfloat16"
    """Operands with 7 bits of mantissa."""


class Arithmetic(enum.StrEnum):
    """What is computed with, at worst; the tolerances are keyed by it."""

    FLOAT32 = "float32"
    TENSORFLOAT32 = "tensorfloat32"
    BFLOAT16 = "bfloat16"


@dataclasses.dataclass(frozen=True)
class Products:
    """How a mode is carried out on a platform.

    Attributes:
      arithmetic: The arithmetic.
      level: The level that the compiler is asked for; the program's own when empty.
      rounded_to: The bits of mantissa that operands are rounded to before, or None.
      how: The same as a sentence for the report.
    """

    arithmetic: Arithmetic
    level: str
    rounded_to: int | None
    how: str


_OWN, _HIGH, _HIGHEST = "", "HIGH", "HIGHEST"
_TABLE = {
    ("cpu", MatmulPrecision.PROGRAM): Products(Arithmetic.FLOAT32, _OWN, None, "float32, as the CPU always does"),
    ("gpu", MatmulPrecision.PROGRAM): Products(
        Arithmetic.TENSORFLOAT32, _OWN, None, "the GPU's default: TensorFloat-32 where it has it"
    ),
    ("tpu", MatmulPrecision.PROGRAM): Products(
        Arithmetic.BFLOAT16, _OWN, None, "the TPU's default: one pass of bfloat16"
    ),
    ("cpu", MatmulPrecision.FLOAT32): Products(Arithmetic.FLOAT32, _HIGHEST, None, "float32"),
    ("gpu", MatmulPrecision.FLOAT32): Products(
        Arithmetic.FLOAT32, _HIGHEST, None, "float32, TensorFloat-32 switched off"
    ),
    ("tpu", MatmulPrecision.FLOAT32): Products(
        Arithmetic.FLOAT32, _HIGHEST, None, "float32, in six passes of bfloat16"
    ),
    ("cpu", MatmulPrecision.TENSORFLOAT32): Products(
        Arithmetic.TENSORFLOAT32, _HIGHEST, 10, "operands rounded to the 10 bits of TensorFloat-32"
    ),
    ("gpu", MatmulPrecision.TENSORFLOAT32): Products(
        Arithmetic.TENSORFLOAT32, _HIGH, None, "TensorFloat-32 where the GPU has it"
    ),
    ("tpu", MatmulPrecision.TENSORFLOAT32): Products(
        Arithmetic.TENSORFLOAT32, _HIGH, None, "three passes of bfloat16, which keep more than TensorFloat-32"
    ),
    ("cpu", MatmulPrecision.BFLOAT16): Products(
        Arithmetic.BFLOAT16, _HIGHEST, 7, "operands rounded to the 7 bits of bfloat16"
    ),
    ("gpu", MatmulPrecision.BFLOAT16): Products(
        Arithmetic.BFLOAT16, _HIGHEST, 7, "operands rounded to the 7 bits of bfloat16"
    ),
    ("tpu", MatmulPrecision.BFLOAT16): Products(Arithmetic.BFLOAT16, "DEFAULT", None, "one pass of bfloat16"),
}


def products_of(platform: str, mode: MatmulPrecision) -> Products:
    """Return how a mode is carried out on a platform: `cpu`, `gpu` or `tpu`."""
    return _TABLE[platform, mode]


def set_products(module: Any, products: Products) -> int:
    """Rewrite the products of float32 in a module.

    Returns:
      How many there are.
    """
    found: list[Any] = []

    def visit(operation: Any) -> None:
        if operation.name in _PRODUCTS and all("xf32>" in str(one.type) for one in list(operation.operands)[:2]):
            found.append(operation)

    adapter.each_operation(module, visit)
    for operation in found:
        if products.rounded_to is not None:
            adapter.round_operands(operation, exponent_bits=_EXPONENT_BITS, mantissa_bits=products.rounded_to)
        if products.level:
            adapter.set_precision(operation, products.level)
    return len(found)
