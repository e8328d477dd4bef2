"""Compares what a device computed with what the CPU computed, and with float64 where that is known."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from assay.conformance.bundles.manifest import STATE, Tensor
from assay.conformance.replay.tolerances import EXACT, MAGNIFIED, TIES, UNINFORMATIVE, UNIT_ROUNDOFF, allowance
from assay.conformance.stablehlo.precision import Arithmetic


@dataclasses.dataclass(frozen=True)
class Comparison:
    """One result of one call, compared.

    Attributes:
      name: What the bundle calls the result.
      role: `value` or `state`.
      dtype: Its dtype.
      against: `float64` or `cpu`: what was expected.
      max_abs: The largest difference of an element.
      max_ulp: The same in units of the last place, of the largest expected value.
      error: The difference that is judged, relative to the scale.
      allowed: How large it may be, relative to the scale.
      cpu_error: The same difference of the CPU's own result from float64; None without a reference.
      informative: Whether so much is asked of it that it says something.
      seen: What else is wrong: another shape, infinite in other places; empty when nothing is.
    """

    name: str
    role: str
    dtype: str
    against: str
    max_abs: float
    max_ulp: float
    error: float
    allowed: float
    cpu_error: float | None
    informative: bool
    seen: str = ""

    @property
    def passed(self) -> bool:
        """Whether it is as near as it must be."""
        return not self.seen and self.error <= self.allowed

    @property
    def badness(self) -> float:
        """By how much it is too far; above 1 it fails."""
        if self.seen:
            return float("inf")
        return self.error / self.allowed if self.allowed else (float("inf") if self.error else 0.0)


def compare(
    tensor: Tensor,
    found: np.ndarray,
    cpu: np.ndarray,
    *,
    reference: np.ndarray | None = None,
    before: np.ndarray | None = None,
    arithmetic: Arithmetic = Arithmetic.FLOAT32,
    products: int = 0,
    platform: str = "cpu",
) -> Comparison:
    """Compare one result.

    Args:
      tensor: What it is.
      found: What the device computed.
      cpu: What the CPU computed.
      reference: The same in float64, where it is known.
      before: Of the new value of a variable: the old one.
      arithmetic: What products of float32 were computed with, where the program has any. In less than float32 a
        choice that hangs on small differences (the largest of some scores) may fall otherwise: whole numbers that
        differ then are no failure, and say nothing.
      products: How many products of float32 the program has. With some, a few of the whole numbers that it counts may
        differ even in float32: see `TIES`.
      platform: Where it was computed.
    """
    if found.shape != cpu.shape or found.dtype != cpu.dtype:
        other = f"it is {found.dtype.name}{list(found.shape)}, and should be {cpu.dtype.name}{list(cpu.shape)}"
        return _unlike(tensor, other)
    row = allowance(arithmetic, tensor.role, tensor.dtype, platform)
    counts = tensor.role == STATE and all(map(_is_whole, (found, cpu, before)))  # many count in floating point
    strict = arithmetic is Arithmetic.FLOAT32
    if counts and strict and products and before is not None:
        share = _counted_elsewhere(found, cpu, before)
        if 0 < share <= TIES:
            apart = float(np.max(np.abs(_wide(found) - _wide(cpu))))
            return Comparison(tensor.name, tensor.role, tensor.dtype, "cpu", apart, 0.0, share, TIES, None, True)
    if row is EXACT or (counts and not strict):
        return _exact(tensor, found, cpu, strict=strict)
    ours, theirs = _wide(found), _wide(cpu)
    if not _same_where_not_finite(ours, theirs):
        return _unlike(tensor, _where_not_finite(ours, theirs))
    finite = np.isfinite(theirs)
    if reference is not None and not np.array_equal(np.isfinite(reference), finite):
        reference = None  # float32 overflows where float64 does not
    expected = theirs if reference is None else np.asarray(reference)
    ours, theirs, expected = ours[finite], theirs[finite], expected[finite]
    is_state = tensor.role == STATE and before is not None
    start = _wide(before)[finite] if is_state and before is not None else None
    scale = _size(expected if start is None else expected - start, norm=start is not None)
    absolute = row.absolute * (np.sqrt(expected.size) if start is not None else 1.0)
    error = _size(ours - expected, norm=start is not None)
    cpu_error = None if reference is None else _size(theirs - expected, norm=start is not None)
    magnified = MAGNIFIED * (cpu_error or 0.0) * UNIT_ROUNDOFF[arithmetic] / UNIT_ROUNDOFF[Arithmetic.FLOAT32]
    allowed = float(absolute + row.relative * scale + magnified)
    unit = scale or 1.0
    largest = _size(ours - expected, norm=False)
    spacing = _spacing(_size(expected, norm=False), found.dtype)
    return Comparison(
        tensor.name,
        tensor.role,
        tensor.dtype,
        "cpu" if reference is None else "float64",
        largest,
        largest / spacing,
        error / unit,
        allowed / unit,
        None if cpu_error is None else cpu_error / unit,
        informative=bool(magnified <= UNINFORMATIVE * scale or error <= absolute + row.relative * scale),
    )


def _counted_elsewhere(found: np.ndarray, cpu: np.ndarray, before: np.ndarray) -> float:
    """What part of the counts of a call differs; infinite where nothing was to be counted."""
    counted = float(np.sum(np.abs(_wide(cpu) - _wide(before))))
    differing = float(np.sum(np.abs(_wide(found) - _wide(cpu))))
    return differing / counted if counted else (float("inf") if differing else 0.0)


def _exact(tensor: Tensor, found: np.ndarray, cpu: np.ndarray, *, strict: bool) -> Comparison:
    differ = found != cpu
    count = int(np.count_nonzero(differ))
    seen = ""
    if count and strict:
        index = tuple(int(one) for one in np.argwhere(differ)[0])
        seen = (
            f"{count} of {found.size} values differ; at {list(index)} it is {found[index]}, and should be {cpu[index]}"
        )
    apart = float(np.max(np.abs(_wide(found) - _wide(cpu)))) if count else 0.0
    informative = strict or not count
    return Comparison(tensor.name, tensor.role, tensor.dtype, "cpu", apart, 0.0, 0.0, 0.0, None, informative, seen)


def _unlike(tensor: Tensor, seen: str) -> Comparison:
    return Comparison(tensor.name, tensor.role, tensor.dtype, "cpu", 0.0, 0.0, 0.0, 0.0, None, True, seen)


def _is_whole(array: np.ndarray | None) -> bool:
    return array is not None and bool(np.all(array == np.trunc(_wide(array))))


def _wide(array: Any) -> np.ndarray:
    array = np.asarray(array)
    if array.dtype.kind == "c":  # real and imaginary parts side by side
        array = array.view(array.real.dtype.newbyteorder("="))
    return array.astype(np.float64)


def _size(difference: np.ndarray, *, norm: bool) -> float:
    """The norm of an array, or its largest element."""
    if not difference.size:
        return 0.0
    return float(np.linalg.norm(difference.ravel()) if norm else np.max(np.abs(difference)))


def _spacing(largest: float, dtype: np.dtype) -> float:
    """The distance between neighbours of a number in the dtype."""
    bits = {"float16": 10, "bfloat16": 7, "float64": 52}.get(dtype.name, 23)
    return float(2.0 ** (np.floor(np.log2(max(largest, 1e-30))) - bits))


def _same_where_not_finite(ours: np.ndarray, theirs: np.ndarray) -> bool:
    odd = ~(np.isfinite(ours) & np.isfinite(theirs))
    return bool(np.array_equal(ours[odd], theirs[odd], equal_nan=True))


def _where_not_finite(ours: np.ndarray, theirs: np.ndarray) -> str:
    odd = ~(np.isfinite(ours) & np.isfinite(theirs))
    differ = np.argwhere(odd & ~((ours == theirs) | (np.isnan(ours) & np.isnan(theirs))))
    index = tuple(int(one) for one in differ[0])
    return f"{len(differ)} of {ours.size} values; at {list(index)} it is {ours[index]}, and should be {theirs[index]}"
