"""What a metric's `result` says, as named numbers that can be compared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from assay.conformance.tolerances import Tolerance

Scores = dict[str, Any]
"""Values by name: float64 arrays where they are numbers, else what they were."""

_SHOWN = 3
_NUMERIC = "biuf"


def as_scores(result: Any) -> Scores:
    """Return a result (a number, an array, or a nested dict or tuple of them) as a flat dict."""
    scores: Scores = {}
    _collect(result, "", scores)
    return scores


def differing(actual: Scores, expected: Scores, tolerance: Tolerance) -> list[str]:
    """Return the names whose values are not near each other, and those that only one side has."""
    names = list(dict.fromkeys([*expected, *actual]))
    return [
        name
        for name in names
        if name not in actual or name not in expected or not _near(actual[name], expected[name], tolerance)
    ]


def describe(actual: Scores, expected: Scores, names: list[str], *, instead_of: str = "instead of") -> str:
    """Return `AP50 is 0.41 instead of 0.52, and 2 more of 8 values differ`."""
    parts = []
    for name in names[:_SHOWN]:
        old, new = (_shown(side[name]) if name in side else "missing" for side in (expected, actual))
        if old == new:
            old, new = (repr(side[name]) if name in side else "missing" for side in (expected, actual))
        parts.append(f"{name} is {new} {instead_of} {old}")
    total = len({*actual, *expected})
    more = len(names) - _SHOWN
    return "; ".join(parts) + (f"; and {more} more of {total} values differ" if more > 0 else "")


def is_defined(value: Any, undefined: float) -> bool:
    """Whether a value is a finite number, or NaN where NaN stands for what is not defined."""
    if not isinstance(value, np.ndarray):
        return False
    return bool(np.all(np.isfinite(value) | (np.isnan(value) & np.isnan(undefined))))


def _near(actual: Any, expected: Any, tolerance: Tolerance) -> bool:
    if isinstance(actual, np.ndarray) and isinstance(expected, np.ndarray):
        return actual.shape == expected.shape and tolerance.allows(actual, expected)
    return type(actual) is type(expected) and bool(actual == expected)


def _collect(value: Any, name: str, scores: Scores) -> None:
    if isinstance(value, Mapping):
        for key, entry in value.items():
            _collect(entry, f"{name}/{key}" if name else str(key), scores)
    elif isinstance(value, tuple):
        for index, entry in enumerate(value):
            _collect(entry, f"{name}/{index}" if name else str(index), scores)
    else:
        scores[name or "result"] = _number(value)


def _number(value: Any) -> Any:
    if value is None or isinstance(value, str | bytes):
        return value
    try:
        array = np.asarray(value.numpy() if hasattr(value, "numpy") else value)
    except ValueError:
        return value
    return array.astype(np.float64) if array.dtype.kind in _NUMERIC else value


def _shown(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"{float(value):.6g}" if value.ndim == 0 else np.array2string(value, precision=4, threshold=8)
    return repr(value)
