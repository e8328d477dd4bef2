"""Other light: random brightness, contrast, saturation and hue."""

import dataclasses
from collections.abc import Iterable

import tensorflow as tf
from assay.core import Config, Problem
from assay.reference_tasks.vision.images.normalization import FULL_RANGE

COLOUR_CHANNELS = 3
MAX_HUE = 0.5


@dataclasses.dataclass
class PhotometricConfig(Config):
    """How much the light varies; 0 leaves out a step.

    Attributes:
        brightness: Largest shift to either side, as a share of the full range.
        contrast: Largest relative change of the distance from the image's mean: 0.3 draws factors from 0.7 to 1.3.
        saturation: Largest relative change of the saturation, likewise.
        hue: Largest turn to either side, as a share of the circle of colours, at most 0.5.
    """

    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    hue: float = 0.0

    def problems(self) -> Iterable[Problem | str]:
        """Yield a problem for each number out of range."""
        for name, most in (("brightness", 1), ("contrast", 1), ("saturation", 1), ("hue", MAX_HUE)):
            if not 0 <= getattr(self, name) <= most:
                yield Problem(name, f"must be from 0 to {most}; received {getattr(self, name)}.")


def distort_light(image: tf.Tensor, config: PhotometricConfig, *, seed: tf.Tensor) -> tf.Tensor:
    """Change brightness, contrast, saturation and hue, in this order, each uniformly at random.

    Args:
        image: Integers or floats `[height, width, channels]` from 0 to 255. Saturation and hue need 3 channels, red,
            green and blue; of other images only brightness and contrast change.
        config: How much.
        seed: int64 `[2]`; all that is random follows from it.

    Returns:
        float32 of the same shape, clipped to 0 to 255.

    References:
        Liu et al., "SSD: Single Shot MultiBox Detector", 2016, section 2.2.
    """
    seeds = tf.random.experimental.stateless_split(seed, 4)
    image = tf.cast(image, tf.float32) / FULL_RANGE
    if config.brightness:
        image = tf.image.stateless_random_brightness(image, config.brightness, seeds[0])
    if config.contrast:
        image = tf.image.stateless_random_contrast(image, 1 - config.contrast, 1 + config.contrast, seeds[1])
    image = tf.clip_by_value(image, 0.0, 1.0)
    if image.shape[-1] == COLOUR_CHANNELS:
        if config.saturation:
            image = tf.image.stateless_random_saturation(image, 1 - config.saturation, 1 + config.saturation, seeds[2])
        if config.hue:
            image = tf.image.stateless_random_hue(image, config.hue, seeds[3])
    return tf.clip_by_value(image, 0.0, 1.0) * FULL_RANGE
