"""Values out of TensorFlow: tensors, variables of both Keras flavours and per-replica values, as NumPy arrays."""

from __future__ import annotations

from typing import Any

import numpy as np


def as_numpy(value: Any) -> np.ndarray:
    """Return a tensor, a variable (Keras 3, tf_keras, distributed) or a plain value as a NumPy array.

    A variable that is distributed and summed on reading gives its sum over the replicas.
    """
    inner = getattr(value, "value", value)
    if hasattr(value, "path") and not callable(inner):  # a Keras 3 variable keeps its tf.Variable in `.value`
        value = inner
    numpy = getattr(value, "numpy", None)
    return np.array(numpy() if callable(numpy) else value)


def nested_as_numpy(structure: Any) -> Any:
    """Return a nested structure of tensors with every leaf as a NumPy array; leaves that are none stay as they are."""
    import tensorflow as tf

    return tf.nest.map_structure(lambda leaf: as_numpy(leaf) if tf.is_tensor(leaf) else leaf, structure)
