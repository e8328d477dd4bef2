"""Inputs as NumPy arrays, whatever they came as, without importing the library that made them."""

from typing import Any

import numpy as np


def to_array(value: Any, *, field: str) -> np.ndarray:
    """Turn an input into an array that the caller cannot see changes of.

    Args:
        value: A NumPy array; anything with `numpy()` (tensors) or `__array__`; a number, or a list of these; or the
            values of several replicas: a tuple of any of these, or an object whose `values` are such a tuple
            (`tf.distribute`'s PerReplica). Those are concatenated along the first axis.
        field: Name of the input, for messages.

    Returns:
        A read-only array. It may share memory with the input.

    Raises:
        ValueError: If the values of the replicas cannot be concatenated, or lists are ragged.
    """
    replicas = value if isinstance(value, tuple) else getattr(value, "values", None)
    if isinstance(replicas, tuple):
        return _concatenate([to_array(replica, field=field) for replica in replicas], field)
    if hasattr(value, "numpy") and not isinstance(value, np.ndarray):
        value = value.numpy()
    try:
        array = np.asarray(value).view()
    except ValueError as error:
        raise ValueError(f"The field {field!r} cannot become one array: {error}") from error
    array.flags.writeable = False
    return array


def _concatenate(arrays: list[np.ndarray], field: str) -> np.ndarray:
    if not arrays:
        raise ValueError(f"The field {field!r} is an empty tuple: expected the values of at least one replica.")
    shapes = [array.shape for array in arrays]
    if any(len(shape) == 0 for shape in shapes) or len({shape[1:] for shape in shapes}) > 1:
        raise ValueError(
            f"The field {field!r} is a tuple of the values of several replicas, which are concatenated along the "
            f"first axis. Received shapes {shapes}, which differ in the other axes or have none."
        )
    joined = np.concatenate(arrays)
    joined.flags.writeable = False
    return joined
