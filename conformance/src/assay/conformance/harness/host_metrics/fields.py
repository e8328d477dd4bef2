"""Fields: the leaves of one side of a batch (its groundtruths or its predictions) by their path."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

Path = tuple[Any, ...]
Fields = dict[Path, Any]
"""Leaves by path: `("boxes",)`, `("masks", "valid")`; a side that is one array has the empty path."""

GROUNDTRUTHS, PREDICTIONS = "groundtruths", "predictions"
SIDES = (GROUNDTRUTHS, PREDICTIONS)


def flatten(side: Any) -> Fields:
    """Return the leaves of one side as NumPy arrays.

    Mappings are opened. A tuple holds the values of several replicas, and is joined. A list of arrays, or of rows that
    are not alike, stays a list of arrays, one an example, and a list of texts stays as it is; anything else becomes one
    array.
    """
    fields: Fields = {}
    _collect(side, (), fields)
    return fields


def rebuild(fields: Mapping[Path, Any]) -> Any:
    """Return the side that has these fields: the inverse of `flatten`."""
    if () in fields:
        return fields[()]
    side: dict[str, Any] = {}
    for path, leaf in fields.items():
        group = side
        for key in path[:-1]:
            group = group.setdefault(key, {})
        group[path[-1]] = leaf
    return side


def map_leaves(change: Callable[[np.ndarray], Any], side: Any) -> Any:
    """Return a side (a mapping, an array, or a list of either) with every array changed."""
    if isinstance(side, Mapping):
        return {key: map_leaves(change, value) for key, value in side.items()}
    if isinstance(side, list):
        return [map_leaves(change, value) for value in side]
    return change(side) if isinstance(side, np.ndarray) else side


def as_tensors(side: Any) -> Any:
    """Return a side with every array as an eager tensor; a list with one array an example is no array, and stays."""
    import tensorflow as tf

    if isinstance(side, Mapping):
        return {key: as_tensors(value) for key, value in side.items()}
    if isinstance(side, list):
        return [as_tensors(value) if isinstance(value, Mapping) else value for value in side]
    if not isinstance(side, np.ndarray):
        return side
    return tf.convert_to_tensor(side.tolist() if side.dtype.kind == "O" else side)


def holds_tensors(side: Any) -> bool:
    """Whether any value of a side is a tensor: something with `numpy()` that is no array."""
    if isinstance(side, Mapping):
        return any(holds_tensors(value) for value in side.values())
    if isinstance(side, list | tuple):
        return any(holds_tensors(value) for value in side)
    return callable(getattr(side, "numpy", None)) and not isinstance(side, np.ndarray)


def field_name(path: Path) -> str:
    """Return what messages call a field."""
    return "/".join(map(str, path))


def leaf(value: Any) -> Any:
    """Return one value as a NumPy array; as a list when it is one of texts, of arrays, or of rows of other lengths."""
    if isinstance(value, tuple) and value:
        parts = [leaf(part) for part in value]
        if isinstance(parts[0], list):
            return [element for part in parts for element in part]
        return np.concatenate(parts)
    value = _plain(value)
    if isinstance(value, list) and value and all(isinstance(element, str | bytes) for element in value):
        return list(value)
    if isinstance(value, list) and any(np.ndim(_plain(element)) for element in value):
        elements = [np.asarray(_plain(element)) for element in value]
        alike = len({element.shape for element in elements}) == 1 and not any(hasattr(row, "dtype") for row in value)
        return np.stack(elements) if alike else elements
    return np.array(value)


def _collect(value: Any, path: Path, fields: Fields) -> None:
    if isinstance(value, Mapping):
        for key, entry in value.items():
            _collect(entry, (*path, key), fields)
    else:
        fields[path] = leaf(value)


def _plain(value: Any) -> Any:
    return value.numpy() if hasattr(value, "numpy") else value
