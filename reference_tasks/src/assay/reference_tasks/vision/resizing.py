"""Feature maps at another size: that of other maps, twice their own, or larger for fewer channels."""

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


@tf.keras.utils.register_keras_serializable(package="assay")
class DepthToSpace(tf.keras.layers.Layer):
    """Lays the channels of a position out as a square of positions, the last step of a sub-pixel convolution.

    The input is `[batch, height, width, block_size**2 * channels]`, the result
    `[batch, block_size * height, block_size * width, channels]`: channels `[0, channels)` of a position come to lie at
    the top left of its square, the next ones to the right of them.

    Args:
        block_size: Rows and columns of the square.
        **options: As for any layer.

    References:
        Shi et al., "Real-Time Single Image and Video Super-Resolution Using an Efficient Sub-Pixel Convolutional Neural
        Network", 2016.
    """

    def __init__(self, block_size: int, **options: Any) -> None:
        super().__init__(**options)
        self.block_size = block_size

    def call(self, inputs: Any) -> Any:
        """Lay out the channels of a tensor."""
        return tf.nn.depth_to_space(inputs, self.block_size)

    def compute_output_shape(self, input_shape: Any) -> tuple[Any, ...]:
        """Return the shape of the result."""
        batch, height, width, channels = input_shape
        size = self.block_size
        return (batch, height and size * height, width and size * width, channels // size**2)

    def get_config(self) -> dict[str, Any]:
        """Return what the layer can be made of again."""
        return {**super().get_config(), "block_size": self.block_size}
