"""Ledgers of data: a digest for each example's content, so that examples can be counted without an id."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import numpy as np
from assay.conformance.harness.values import as_numpy

_DIGEST_BYTES = 8


def digests(batches: Iterable[Any]) -> list[str]:
    """Return one digest for each example, in order, over every tensor of the batch (features and labels).

    Two examples with the same content have the same digest: compare with a reading of the same data as multisets.

    Args:
      batches: Nested structures of tensors, each `[batch, ...]`.
    """
    import tensorflow as tf

    found: list[str] = []
    for batch in batches:
        leaves = [array for array in map(as_numpy, tf.nest.flatten(batch)) if array.ndim]
        for row in range(len(leaves[0]) if leaves else 0):
            found.append(_digest(leaf[row] for leaf in leaves))
    return found


def _digest(values: Iterable[Any]) -> str:
    digest = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    for value in values:
        array = np.asarray(value)
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(repr(array.tolist()).encode() if array.dtype == object else array.tobytes())
    return digest.hexdigest()
