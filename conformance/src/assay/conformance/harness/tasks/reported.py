"""What an evaluation reports: every number by name, of metrics and of reduced logs, however deep it is nested."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from assay.conformance.harness.tasks.runs import Evaluation
from assay.conformance.harness.values import as_numpy
from assay.conformance.tolerances import Tolerance

_IMAGES_RANK = 4  # [n, height, width, channels]


def is_plain(value: Any) -> bool:
    """Whether a reduced value is a number, or images `[n, height, width, channels]`."""
    import tensorflow as tf

    if isinstance(value, int | float | np.number):
        return True
    shape, dtype = getattr(value, "shape", None), getattr(value, "dtype", None)
    if shape is None or dtype is None:
        return False
    dtype = tf.as_dtype(dtype)
    return (len(shape) == 0 or len(shape) == _IMAGES_RANK) and (dtype.is_floating or dtype.is_integer or dtype.is_bool)


def reported_values(evaluation: Evaluation) -> dict[str, float]:
    """Return every number that an evaluation reports, of metrics and of reduced logs, by name: `iou/road` if nested."""
    return {**numbers_in(evaluation.metrics), **numbers_in(evaluation.reduced)}


def numbers_in(structure: Any) -> dict[str, float]:
    """Return the numbers in nested mappings by their path; values that are no single number are left out."""
    found: dict[str, float] = {}

    def visit(path: str, value: Any) -> None:
        if isinstance(value, Mapping):
            for key, inner in value.items():
                visit(f"{path}/{key}" if path else str(key), inner)
        elif is_plain(value) and np.ndim(as_numpy(value)) == 0:
            found[path] = float(as_numpy(value))

    visit("", structure)
    return found


def same_step_logs(one: Evaluation, other: Evaluation, allowed: Tolerance) -> bool:
    """Whether two evaluations of the same batches got the same numbers from the validation step."""
    import tensorflow as tf

    leaves: Sequence[list[Any]] = [tf.nest.flatten(evaluation.logs) for evaluation in (one, other)]
    if len(leaves[0]) != len(leaves[1]):
        return False
    numbers = [
        (as_numpy(first), as_numpy(second))
        for first, second in zip(*leaves, strict=True)
        if tf.is_tensor(first) and tf.is_tensor(second) and (first.dtype.is_floating or first.dtype.is_integer)
    ]
    return all(first.shape == second.shape and allowed.allows(second, first) for first, second in numbers)
