"""Feature maps at another size: that of other maps, or twice their own."""

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
        # XLA makes float32 gradients for a bfloat16 map of one position: it is resized as float32.
        maps = tf.cast(maps, tf.float32)
        resized = tf.image.resize(maps, list(sides) if known else tf.shape(like)[1:3], method="bilinear")
        return tf.cast(resized, self.compute_dtype)

    def compute_output_shape(self, input_shape: Sequence[Any]) -> tuple[Any, ...]:
        """Return the shape of the result."""
        maps, like = input_shape
        return (maps[0], like[1], like[2], maps[3])


@tf.keras.utils.register_keras_serializable(package="assay")
class TwiceAsLarge(tf.keras.layers.Layer):
    """Repeats each position of feature maps twice in both directions.

    The input is `[batch, height, width, channels]`, the result `[batch, 2 * height, 2 * width, channels]`. It compiles
    with XLA, for training too: the gradient of `UpSampling2D(interpolation="nearest")` does not under tf_keras.
    """

    def call(self, inputs: Any) -> Any:
        """Repeat the positions of a tensor."""
        return tf.nn.depth_to_space(tf.concat([inputs] * 4, axis=-1), 2)

    def compute_output_shape(self, input_shape: Any) -> tuple[Any, ...]:
        """Return the shape of the result."""
        batch, height, width, channels = input_shape
        return (batch, height and 2 * height, width and 2 * width, channels)
