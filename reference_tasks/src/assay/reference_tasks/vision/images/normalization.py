"""From pixels to the numbers that a model is given, and back to look at them."""

from collections.abc import Sequence

import tensorflow as tf

FULL_RANGE = 255.0


def normalize(image: tf.Tensor, *, mean: Sequence[float], std: Sequence[float]) -> tf.Tensor:
    """Return `(image - 255 * mean) / (255 * std)`.

    Args:
        image: float32 `[..., channels]` from 0 to 255.
        mean: One number for each channel, as a share of 255.
        std: Likewise.
    """
    return (image - tf.constant(mean, tf.float32) * FULL_RANGE) / (tf.constant(std, tf.float32) * FULL_RANGE)


def displayed(images: tf.Tensor, *, mean: Sequence[float], std: Sequence[float]) -> tf.Tensor:
    """Undo `normalize`, and return uint8 images to look at.

    Args:
        images: `[..., channels]`.
        mean: Mean of each channel that was subtracted, as a share of the full range.
        std: Standard deviation of each channel that was divided by, likewise.
    """
    images = tf.cast(images, tf.float32) * tf.constant(std, tf.float32) + tf.constant(mean, tf.float32)
    return tf.image.convert_image_dtype(images, tf.uint8, saturate=True)
