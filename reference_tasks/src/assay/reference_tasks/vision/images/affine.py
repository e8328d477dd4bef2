"""Other shapes: images shifted, scaled, turned, slanted and stretched at random, and label maps along with them.

```python
transform = random_affine(tf.shape(image)[:2], AffineConfig(max_rotation=10.0, max_shear=10.0), seed=seed)
image, mask = moved(image, transform, fill=[124, 117, 104]), moved_mask(mask, transform, fill=255)
```
"""

import dataclasses
import math
from collections.abc import Iterable, Sequence
from typing import Any

import tensorflow as tf
from assay.core import Config, Problem

RIGHT_ANGLE = 90


@dataclasses.dataclass
class AffineConfig(Config):
    """How much the shape varies, around the middle of the image.

    Attributes:
        max_shift: Largest shift in each direction, as a share of the image's side.
        min_scale: Smallest factor of size.
        max_scale: Largest factor of size.
        max_rotation: Largest turn to either side, in degrees.
        max_shear: Largest slant of upright lines to either side, in degrees, below 90.
        max_stretch: Largest factor by which what is seen becomes wider, and flatter by as much, or the other way round.
    """

    max_shift: float = 0.0
    min_scale: float = 1.0
    max_scale: float = 1.0
    max_rotation: float = 0.0
    max_shear: float = 0.0
    max_stretch: float = 1.0

    def problems(self) -> Iterable[Problem | str]:
        """Yield a problem for each number out of range."""
        if not 0 <= self.max_shift <= 1:
            yield Problem("max_shift", f"must be a share of the side, from 0 to 1; received {self.max_shift}.")
        if not 0 < self.min_scale <= self.max_scale:
            yield f"must have 0 < min_scale <= max_scale; received {self.min_scale} and {self.max_scale}."
        if self.max_rotation < 0:
            yield Problem("max_rotation", f"must not be negative; received {self.max_rotation}.")
        if not 0 <= self.max_shear < RIGHT_ANGLE:
            yield Problem("max_shear", f"must be in degrees, from 0 to below 90; received {self.max_shear}.")
        if self.max_stretch < 1:
            yield Problem("max_stretch", f"must be at least 1; received {self.max_stretch}.")


def random_affine(size: Any, config: AffineConfig, *, seed: tf.Tensor) -> tf.Tensor:
    """Draw a transform: stretched, slanted, turned and scaled around the middle, then shifted, each uniformly.

    Scale and stretch are uniform in their logarithms.

    Args:
        size: Height and width of the image, int32 `[2]`.
        config: How much.
        seed: int64 `[2]`; all that is random follows from it.

    Returns:
        float32 `[8]`: where each pixel of the result comes from, as `tf.raw_ops.ImageProjectiveTransformV3` takes it.
    """
    height, width = tf.unstack(tf.cast(size, tf.float32))
    draws = tf.random.stateless_uniform([4], seed, minval=-1.0, maxval=1.0)
    forms = tf.random.stateless_uniform([2], tf.random.experimental.stateless_fold_in(seed, 1), minval=-1.0, maxval=1.0)
    angle = draws[0] * math.radians(config.max_rotation)
    low, high = math.log(config.min_scale), math.log(config.max_scale)
    scale = tf.exp((low + high) / 2 + draws[1] * (high - low) / 2)
    slant = tf.tan(forms[0] * math.radians(config.max_shear))
    stretch = tf.exp(forms[1] * math.log(config.max_stretch))
    middle_x, middle_y = (width - 1) / 2, (height - 1) / 2
    # Back by the shift, then turned and scaled back, at last slanted and stretched back.
    cos, sin = tf.cos(angle) / scale, tf.sin(angle) / scale
    from_x, from_y = middle_x + draws[2] * config.max_shift * width, middle_y + draws[3] * config.max_shift * height
    rows = []
    for x_by, y_by, middle in (
        (cos / stretch + slant * sin, sin / stretch - slant * cos, middle_x),
        (-sin * stretch, cos * stretch, middle_y),
    ):
        rows += [x_by, y_by, middle - x_by * from_x - y_by * from_y]
    return tf.stack([*rows, 0.0, 0.0])


def moved(image: tf.Tensor, transform: tf.Tensor, *, fill: float | Sequence[float] = 0.0) -> tf.Tensor:
    """Move an image, interpolating bilinearly.

    Args:
        image: `[height, width, channels]`, integers or floats.
        transform: What `random_affine` returned for its size.
        fill: What comes in from outside, one value or one for each channel.

    Returns:
        float32 of the same shape.
    """
    ground = tf.constant(fill, tf.float32)
    return _moved(tf.cast(image, tf.float32) - ground, transform, "BILINEAR", 0.0) + ground


def moved_mask(mask: tf.Tensor, transform: tf.Tensor, *, fill: int) -> tf.Tensor:
    """Move a label map `[height, width, 1]` of integers as `moved` does its image: the nearest pixel, none is mixed.

    Args:
        mask: The label map.
        transform: What `random_affine` returned for its size.
        fill: The label of what comes in from outside.

    Returns:
        The moved label map, of the same shape and dtype.
    """
    return tf.cast(_moved(tf.cast(mask, tf.int32), transform, "NEAREST", float(fill)), mask.dtype)


def _moved(image: tf.Tensor, transform: tf.Tensor, interpolation: str, fill: float) -> tf.Tensor:
    result = tf.raw_ops.ImageProjectiveTransformV3(
        images=image[tf.newaxis],
        transforms=transform[tf.newaxis],
        output_shape=tf.shape(image)[:2],
        fill_value=fill,
        interpolation=interpolation,
        fill_mode="CONSTANT",
    )
    return tf.ensure_shape(result[0], image.shape)
