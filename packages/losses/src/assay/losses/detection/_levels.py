"""The outputs of a feature pyramid, level by level, as one row of anchors.

```python
import tensorflow as tf
from assay.losses import multi_level_flatten

multi_level_flatten({"4": tf.zeros([2, 4, 4, 9]), "3": tf.zeros([2, 8, 8, 9])}, last_dim=3).shape  # [2, 240, 3]
```
"""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf


def multi_level_flatten(multi_level_inputs: Mapping[Any, Any], last_dim: int | None = None) -> Any:
    """Concatenate the levels of a feature pyramid, lowest level first, whatever the order of the mapping.

    Model Garden takes the order of the mapping; labels and outputs whose mappings were made in different orders then
    meet the wrong anchors. Here levels are sorted by their number: "10" follows "9".

    Args:
        multi_level_inputs: Level ("3", 3, ...) to a tensor `[batch, ...]`.
        last_dim: Length of the last axis of the result, such as 4 or the number of classes; None for no such axis.

    Returns:
        `[batch, anchors]`, or `[batch, anchors, last_dim]`.

    Raises:
        ValueError: If there is no level.
    """
    if not multi_level_inputs:
        raise ValueError("`multi_level_inputs` has no level.")
    tail = [] if last_dim is None else [last_dim]
    flat = []
    for level in levels_in_order(multi_level_inputs):
        tensor = tf.convert_to_tensor(multi_level_inputs[level])
        batch = tf.shape(tensor)[0] if tensor.shape[0] is None else tensor.shape[0]
        # -1 says nothing about an empty tensor, so the number of anchors is computed.
        rest = tensor.shape[1:]
        size = tf.reduce_prod(tf.shape(tensor)[1:]) if rest.num_elements() is None else rest.num_elements()
        flat.append(tf.reshape(tensor, [batch, size // (last_dim or 1), *tail]))
    return tf.concat(flat, axis=1)


def levels_in_order(multi_level_inputs: Mapping[Any, Any]) -> list[Any]:
    """The levels, lowest first."""
    return sorted(multi_level_inputs, key=_level_number)


def _level_number(level: Any) -> tuple[int, str]:
    """Levels in the order of their numbers; names without one follow, in their own order."""
    text = str(level)
    digits = "".join(character for character in text if character.isdigit())
    return (int(digits), text) if digits else (1 << 30, text)


def flattened(inputs: Any, last_dim: int | None = None) -> Any:
    """A mapping of levels made flat; a tensor `[batch, anchors, ...]` as it is."""
    if isinstance(inputs, Mapping):
        return multi_level_flatten(inputs, last_dim)
    return tf.convert_to_tensor(inputs)
