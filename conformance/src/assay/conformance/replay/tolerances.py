"""How far a device may be from the CPU: a table by arithmetic and role, and what float64 says of each result.

`|found - expected|` is compared with `absolute + relative * scale`, and to this is added what the arithmetic does to a
result that cannot be computed well: the error of the CPU's own float32 against float64 tells how much a result
magnifies rounding, and rounding is larger in proportion in TensorFloat-32 and bfloat16.
"""

from __future__ import annotations

import dataclasses

from assay.conformance.bundles.manifest import STATE, VALUE
from assay.conformance.stablehlo.precision import Arithmetic

UNIT_ROUNDOFF = {Arithmetic.FLOAT32: 2.0**-24, Arithmetic.TENSORFLOAT32: 2.0**-11, Arithmetic.BFLOAT16: 2.0**-8}
"""Half of the distance between 1 and the next number."""

MAGNIFIED = 4.0
"""How many times the error that float64 predicts is allowed: sums are made in another order."""

UNINFORMATIVE = 0.5
"""A result whose allowed error is more than this part of its scale says nothing, and is not counted as compared."""

TIES = 1e-3
"""Of what a step counts, the part that may be counted elsewhere where products of float32 come before the choice: sums
are made in another order, and a choice between scores that are equal but for rounding may fall otherwise."""


@dataclasses.dataclass(frozen=True)
class Allowance:
    """How far a result may be from what is expected.

    Attributes:
      relative: The part in proportion to the scale: the largest expected value; of a variable, how far it moved.
      absolute: The part that does not depend on it.
      because: Why it is what it is.
    """

    relative: float
    absolute: float
    because: str


EXACT = Allowance(0.0, 0.0, "whole numbers and truth values are the same bit for bit")

_ANY = None
_TABLE: dict[tuple[str | None, Arithmetic, str], Allowance] = {
    (_ANY, Arithmetic.FLOAT32, VALUE): Allowance(1e-5, 1e-6, "float32 sums of a few thousand terms, in any order"),
    (_ANY, Arithmetic.FLOAT32, STATE): Allowance(1e-4, 1e-7, "updates of one step, relative to an array's movement"),
    ("tpu", Arithmetic.FLOAT32, VALUE): Allowance(
        1e-4, 1e-5, "a TPU approximates exponentials and logarithms in fewer digits; not measured yet"
    ),
    ("tpu", Arithmetic.FLOAT32, STATE): Allowance(1e-3, 1e-6, "as for values; not measured yet"),
    (_ANY, Arithmetic.TENSORFLOAT32, VALUE): Allowance(1e-3, 1e-4, "products keep 10 bits of mantissa"),
    (_ANY, Arithmetic.TENSORFLOAT32, STATE): Allowance(
        3e-2, 1e-6, "operands rounded to 10 bits move updates of a ResNet on 16 examples by 4e-3 to 3e-2"
    ),
    (_ANY, Arithmetic.BFLOAT16, VALUE): Allowance(2e-2, 1e-3, "products keep 7 bits of mantissa"),
    (_ANY, Arithmetic.BFLOAT16, STATE): Allowance(
        0.3, 1e-5, "operands rounded to 7 bits move updates of a ResNet on 16 examples by up to 0.28; a wrong one is 1"
    ),
}
_NARROW = {
    "float16": Allowance(4e-3, 1e-3, "float16 keeps 10 bits of mantissa, and sums are rounded in another order"),
    "bfloat16": Allowance(3e-2, 8e-3, "bfloat16 keeps 7 bits of mantissa, and sums are rounded in another order"),
}


def allowance(arithmetic: Arithmetic, role: str, dtype: str, platform: str = "cpu") -> Allowance:
    """Return the row of the table for a result.

    Args:
      arithmetic: What products of float32 are computed with, in a program that has any.
      role: `value` or `state`.
      dtype: The result's dtype.
      platform: Where it was computed.
    """
    if dtype.startswith(("bool", "int", "uint")):
        return EXACT
    if dtype in _NARROW:
        return _NARROW[dtype]
    own = _TABLE.get((platform, arithmetic, role))
    return own or _TABLE[_ANY, arithmetic, role]
