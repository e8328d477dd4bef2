"""How one set of arrays relates to another: by one common factor, or by none.

A factor is what tells causes apart: an update that is exactly twice, half or a batch size times the expected one has a
name; an update that is no multiple of it (clipped, masked, with another term) is a design that nobody can judge.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from assay.conformance.tolerances import Tolerance

_SINGLE_ROUNDING = float(np.finfo(np.float32).eps)
_AUDIBLE = 20.0  # what is compared must stand out of the rounding of the weights by this much


def common_factor(
    actual: Mapping[str, np.ndarray],
    expected: Mapping[str, np.ndarray],
    *,
    tolerance: Tolerance,
    weights: Mapping[str, np.ndarray] | None = None,
) -> float | None:
    """Return the factor c with `actual = c * expected` in every array, or None when there is none.

    Args:
      actual: Arrays by name.
      expected: Arrays by name; names that only one side has are left out.
      tolerance: How far, relatively, each array may be from the multiple.
      weights: What `actual` was subtracted from, if it is a difference: it carries the rounding of these values.
    """
    names = [name for name in actual if name in expected]
    values = {name: np.asarray(actual[name], np.float64).ravel() for name in names}
    references = {name: np.asarray(expected[name], np.float64).ravel() for name in names}
    if not _all_finite(values.values()) or not _all_finite(references.values()):
        return None
    power = sum(float(reference @ reference) for reference in references.values())
    rounding = {name: _rounding(None if weights is None else weights.get(name)) for name in names}
    if power <= (_AUDIBLE * sum(rounding.values())) ** 2 or power == 0.0:
        return None
    factor = sum(float(values[name] @ references[name]) for name in names) / power
    for name in names:
        apart = float(np.linalg.norm(values[name] - factor * references[name]))
        scale = max(abs(factor), 1.0) * float(np.linalg.norm(references[name]))
        if apart > tolerance.relative * scale + tolerance.absolute + rounding[name]:
            return None
    return factor


def projection(actual: Mapping[str, np.ndarray], expected: Mapping[str, np.ndarray]) -> float:
    """Return the factor c for which `c * expected` comes nearest to `actual`; NaN when `expected` is zero."""
    names = [name for name in actual if name in expected]
    power = sum(float(np.sum(np.square(expected[name], dtype=np.float64))) for name in names)
    along = sum(float(np.sum(np.multiply(actual[name], expected[name], dtype=np.float64))) for name in names)
    return along / power if power else float("nan")


def _rounding(weights: np.ndarray | None) -> float:
    """The norm of what is lost when a small number is added to each of these."""
    return 0.0 if weights is None else _SINGLE_ROUNDING * float(np.linalg.norm(np.asarray(weights, np.float64).ravel()))


def _all_finite(arrays: Iterable[np.ndarray]) -> bool:
    return all(np.all(np.isfinite(array)) for array in arrays)
