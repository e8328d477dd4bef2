"""Results of metrics compared: what differs, in words with numbers."""

from __future__ import annotations

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness.metrics.component import Numbers

_SHOWN = 4


def difference(ctx: Context, found: Numbers, expected: Numbers, *, quantity: str = "metrics") -> str:
    """Return what differs between two results, or an empty string: `result is 0.25 and should be 0.5`."""
    if set(found) != set(expected):
        return f"the result has {sorted(found)} and should have {sorted(expected)}"
    for name in expected:
        if not agrees(ctx, found[name], expected[name], quantity=quantity):
            return f"{name} is {shown(found[name])} and should be {shown(expected[name])}"
    return ""


def agrees(ctx: Context, found: np.ndarray, expected: np.ndarray, *, quantity: str = "metrics") -> bool:
    """Whether two values are near and of one shape."""
    return np.shape(found) == np.shape(expected) and ctx.tolerance(quantity).allows(found, expected)


def shown(value: np.ndarray) -> str:
    """Return a value for a message: a number, or the first few of an array."""
    flat = np.ravel(value)
    if flat.size == 1:
        return f"{float(flat[0]):.6g}"
    rest = ", ..." if flat.size > _SHOWN else ""
    return f"[{', '.join(f'{float(one):.6g}' for one in flat[:_SHOWN])}{rest}]"
