"""Error messages put together inside a graph."""

from typing import Any

import tensorflow as tf


def sentence(*parts: Any) -> tf.Tensor:
    """Join parts into one string scalar.

    Args:
        *parts: Strings, and scalar tensors that are strings or integers.
    """
    return tf.strings.join([_as_string(part) for part in parts])


def _as_string(part: Any) -> tf.Tensor:
    part = tf.convert_to_tensor(part)
    return part if part.dtype == tf.string else tf.strings.as_string(part)


def require(condition: tf.Tensor, message: tf.Tensor) -> tf.Operation:
    """Return an operation that fails with the message unless the condition holds."""
    return tf.debugging.Assert(condition, [message])
