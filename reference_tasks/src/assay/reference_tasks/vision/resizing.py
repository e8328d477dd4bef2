"""Feature maps at the size of others."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf


@tf.keras.utils.register_keras_serializable(package="assay")
class ResizeLike(tf.keras.layers.Layer):
    """Interpolates feature maps bilinearly (pixel centres at 1/2) to the height and width of another tensor.

    The input is a pair: feature maps `[batch, h, w, channels]`, and a tensor `[batch, height, width, ...]` of which
    only the shape matters. The result, `[batch, height, width, channels]`, has the layer's compute dtype; it is
    computed in float32.
    """

    def call(self, inputs: Sequence[Any]) -> Any:
        """Resize the first of two tensors to the height and width of the second."""
        maps, like = inputs
        sides = like.shape[1:3]
        known = all(side is not None for side in sides)
        resized = tf.image.resize(maps, list(sides) if known else tf.shape(like)[1:3], method="bilinear")
        return tf.cast(resized, self.compute_dtype)

    def compute_output_shape(self, input_shape: Sequence[Any]) -> tuple[Any, ...]:
        """Return the shape of the result."""
        maps, like = input_shape
        return (maps[0], like[1], like[2], maps[3])
