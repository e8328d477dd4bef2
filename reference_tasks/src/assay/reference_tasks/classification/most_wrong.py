"""The images that the model is most wrong about: picked out of each batch on the device, joined on the host."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class MostWrong:
    """Some images, the one with the least likely label first.

    Attributes:
        likelihoods: `[n]` float32, the probability that the model gave to the label.
        images: `[n, height, width, channels]`.
    """

    likelihoods: Any
    images: Any

    def displayed(self, *, mean: Sequence[float], std: Sequence[float]) -> tf.Tensor:
        """Undo the normalisation, and return uint8 images to look at.

        Args:
            mean: Mean of each channel that was subtracted, as a share of the full range.
            std: Standard deviation of each channel that was divided by, likewise.
        """
        images = tf.cast(self.images, tf.float32) * tf.constant(std, tf.float32) + tf.constant(mean, tf.float32)
        return tf.image.convert_image_dtype(images, tf.uint8, saturate=True)


def most_wrong_of(images: tf.Tensor, labels: tf.Tensor, probabilities: tf.Tensor, *, count: int) -> MostWrong:
    """Pick the images of a batch whose label is least likely; runs inside the validation step.

    Args:
        images: `[batch, height, width, channels]`.
        labels: Integers `[batch]`.
        probabilities: `[batch, num_classes]`.
        count: The most images to pick; a smaller batch gives all of its own.
    """
    one_hot = tf.one_hot(labels, tf.shape(probabilities)[-1], dtype=probabilities.dtype)
    likelihoods = tf.reduce_sum(one_hot * probabilities, axis=-1)
    # What is not a number has no place in an order, and is as wrong as can be.
    likelihoods = tf.where(tf.math.is_nan(likelihoods), tf.zeros_like(likelihoods), likelihoods)
    negated, indices = tf.math.top_k(-likelihoods, tf.minimum(count, tf.shape(likelihoods)[0]))
    return MostWrong(-negated, tf.gather(images, indices))


def join(parts: Sequence[MostWrong], *, count: int) -> MostWrong:
    """Keep the `count` images of all parts whose label is least likely; of equal ones, those that came first."""
    if not parts:
        return MostWrong(np.zeros(0, np.float32), np.zeros((0, 0, 0, 0), np.uint8))
    likelihoods = np.concatenate([np.asarray(part.likelihoods) for part in parts])
    images = np.concatenate([np.asarray(part.images) for part in parts])
    kept = np.argsort(likelihoods, kind="stable")[:count]
    return MostWrong(likelihoods[kept], images[kept])
