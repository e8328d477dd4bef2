"""What a batch holds, remembered: which keys its containers have and which values its tensors, and what changed since.

Tensors cannot be changed, but the dicts and lists that hold them can, and belong to whoever made the batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from assay.conformance.harness.values import as_numpy

Contents = Mapping[str, Any]
"""By path (`inputs[1]['mask']`): the kind of a container, or the values of a leaf."""


def fresh_containers(batch: Any) -> Any:
    """Return a batch of the same tensors in new containers, for a step that could change those it is given."""
    import tensorflow as tf

    return tf.nest.map_structure(lambda leaf: leaf, batch)


def contents_of(batch: Any, *, name: str = "inputs") -> dict[str, Any]:
    """Return what a nested structure of tensors holds, by path; the values are copies.

    Args:
      batch: Nested mappings, lists and tuples of tensors.
      name: What paths begin with.
    """
    return dict(_walk(batch, name))


def changed_contents(before: Contents, after: Contents) -> list[str]:
    """Return a phrase for each thing that changed: `inputs[1]['mask'] is gone`, `inputs[0] has the new key ...`.

    What is inside something that is gone or new is not named again. Another tensor of the same values, dtype and shape
    is no change.
    """
    phrases: list[str] = []
    for path, value in before.items():
        if path not in after:
            if not _inside(path, [one for one in before if one not in after and one != path]):
                phrases.append(f"{path} is gone")
        elif not _equal(value, after[path]):
            phrases.append(f"{path} was {_describe(value)} and is {_describe(after[path])}{_apart(value, after[path])}")
    new = [path for path in after if path not in before]
    phrases += [f"{path} is new" for path in new if not _inside(path, [one for one in new if one != path])]
    return phrases


def _walk(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        yield path, type(value).__name__
        for key, child in value.items():
            yield from _walk(child, f"{path}[{key!r}]")
    elif isinstance(value, list | tuple):
        yield path, type(value).__name__
        for index, child in enumerate(value):
            yield from _walk(child, f"{path}[{index}]")
    else:
        yield path, _leaf(value)


def _leaf(value: Any) -> tuple[np.ndarray, ...]:
    """The values of a tensor, or of the parts of a ragged or sparse one."""
    import tensorflow as tf

    return tuple(as_numpy(part) for part in tf.nest.flatten(value, expand_composites=True))


def _inside(path: str, others: list[str]) -> bool:
    return any(path.startswith(f"{other}[") for other in others)


def _equal(before: Any, after: Any) -> bool:
    if isinstance(before, str) or isinstance(after, str):
        return bool(isinstance(before, str) and before == after)
    return len(before) == len(after) and all(
        a.dtype == b.dtype and a.shape == b.shape and _same_values(a, b) for a, b in zip(before, after, strict=True)
    )


def _same_values(before: np.ndarray, after: np.ndarray) -> bool:
    return bool(np.array_equal(before, after, equal_nan=before.dtype.kind in "fc"))


def _describe(value: Any) -> str:
    if isinstance(value, str):
        return f"a {value}"
    return " and ".join(f"{part.dtype.name}{list(part.shape)}" for part in value)


def _apart(before: Any, after: Any) -> str:
    """How far the numbers of two leaves of one shape are apart; nothing where that cannot be said."""
    if isinstance(before, str) or isinstance(after, str) or len(before) != len(after):
        return ""
    if any(a.shape != b.shape or a.dtype.kind not in "iufb" for a, b in zip(before, after, strict=True)):
        return ""
    pairs = zip(before, after, strict=True)
    worst = max(float(np.max(np.abs(b.astype(np.float64) - a.astype(np.float64)), initial=0.0)) for a, b in pairs)
    return f", with values up to {worst:.3g} apart"
