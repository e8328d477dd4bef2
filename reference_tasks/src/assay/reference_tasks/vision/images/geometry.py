"""Where an image lies in the model's input: resized, padded, jittered in scale, cropped, mirrored.

All that is decided about an image is in its `image_info`, float32 `[4, 2]`, Model Garden's form; each row is (y, x):

| row | content |
|---|---|
| 0 | height and width of the image before it was placed |
| 1 | height and width of the window, the model's input without the padding beyond it |
| 2 | scale: scaled size / original size |
| 3 | offset: the pixels of the scaled image that are cut off at the top and at the left |

A point at `(y, x)` pixels of the image (continuous, edges at whole numbers) comes to lie at `(y, x) * scale - offset`
of the window, and so does each corner of a box; masks and images are resampled with pixel centres at 1/2.

```python
flip = random_flip(seeds[0])
image, mask = mirrored(image, flip), mirrored(mask, flip)
image_info = placement(tf.shape(image)[:2], (512, 512), scale_range=(0.5, 2.0), seed=seeds[1])
image = place_image(image, image_info, (512, 512))
mask = place_mask(mask, image_info, (512, 512), fill=255)
```
"""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf


def placement(
    image_size: Any,
    size: Sequence[int],
    *,
    window: Sequence[int] | None = None,
    scale_range: Sequence[float] = (1.0, 1.0),
    seed: tf.Tensor | None = None,
    keep_aspect_ratio: bool = True,
) -> tf.Tensor:
    """Decide how an image is scaled, and which part of it is seen.

    The image is scaled to the largest one that fits into `size` times a factor drawn uniformly from `scale_range`. What
    is then larger than the window is cut: anywhere, uniformly, with a seed; at the bottom and right without. What is
    smaller lies at the top left.

    Args:
        image_size: int32 `[2]`, height and width of the image.
        size: Height and width that the image is fitted into.
        window: Height and width of what is seen; None means `size`.
        scale_range: Smallest and largest factor of `size`.
        seed: int64 `[2]`; all that is random follows from it. None: nothing is, and the smallest factor is taken.
        keep_aspect_ratio: Whether both sides are scaled alike (up to whole pixels), or each to fill `size`.

    Returns:
        `image_info`, float32 `[4, 2]`; see the module.

    References:
        Lin et al., "Focal Loss for Dense Object Detection", 2017; Chen et al., "Encoder-Decoder with Atrous Separable
        Convolution for Semantic Image Segmentation", 2018 (scale, then crop).
    """
    original = tf.cast(image_size, tf.float32)
    seen = tf.constant(size if window is None else window, tf.int32)
    low, high = scale_range
    factor, seeds = tf.constant(low, tf.float32), None
    if seed is not None:
        seeds = tf.random.experimental.stateless_split(seed, 2)
        factor = tf.random.stateless_uniform([], seeds[0], minval=low, maxval=high) if high > low else factor
    fitted = tf.round(tf.constant(size, tf.float32) * factor)
    if keep_aspect_ratio:
        fitted = tf.round(original * tf.reduce_min(fitted / original))
    scaled = tf.maximum(fitted, 1.0)
    offset = tf.zeros([2], tf.int32)
    if seeds is not None:
        room = tf.maximum(tf.cast(scaled, tf.int32) - seen, 0)
        drawn = tf.random.stateless_uniform([2], seeds[1]) * tf.cast(room + 1, tf.float32)
        offset = tf.minimum(tf.cast(drawn, tf.int32), room)
    return tf.stack([original, tf.cast(seen, tf.float32), scaled / original, tf.cast(offset, tf.float32)])


def place_image(
    image: tf.Tensor, image_info: tf.Tensor, size: Sequence[int], *, fill: float | Sequence[float] = 0.0
) -> tf.Tensor:
    """Scale, cut and pad an image as `image_info` says.

    Gives what resizing the whole image (bilinear, no antialiasing), cutting and padding it would, but computes no pixel
    that is cut off.

    Args:
        image: `[height, width, channels]`, integers or floats.
        image_info: What `placement` returned for it.
        size: Height and width of the result: those of the window, or larger ones, for example multiples of a stride.
        fill: The value of padding, one or one for each channel.

    Returns:
        float32 `[size[0], size[1], channels]`, in the range of the input.
    """
    scale = image_info[2]
    placed = tf.raw_ops.ScaleAndTranslate(
        images=image[tf.newaxis],
        size=tf.constant(size, tf.int32),
        scale=scale,
        translation=-image_info[3],
        kernel_type="triangle",
        antialias=False,
    )[0]
    seen = _seen(image_info)
    rows, columns = (tf.range(length) < seen[axis] for axis, length in enumerate(size))
    inside = tf.logical_and(rows[:, tf.newaxis], columns[tf.newaxis])[..., tf.newaxis]
    placed = tf.where(inside, placed, tf.constant(fill, tf.float32))
    return tf.ensure_shape(placed, [*size, image.shape[-1]])


def place_mask(mask: tf.Tensor, image_info: tf.Tensor, size: Sequence[int], *, fill: int | float) -> tf.Tensor:
    """Scale, cut and pad a mask as `place_image` does its image: each pixel gets the nearest value, none is mixed.

    Args:
        mask: `[height, width, ...]` of any dtype: class ids, or instance masks with an axis of instances at the end.
        image_info: What `placement` returned for the image, which has the same height and width.
        size: Height and width of the result.
        fill: The value of padding.

    Returns:
        `[size[0], size[1], ...]` of the dtype of `mask`.
    """
    return place_masks(mask[tf.newaxis], image_info[tf.newaxis], size, fill=fill)[0]


def place_masks(masks: tf.Tensor, image_info: tf.Tensor, size: Sequence[int], *, fill: int | float) -> tf.Tensor:
    """Do as `place_mask` for a batch.

    Args:
        masks: `[batch, height, width, ...]`; each mask lies at the top left, and what is beyond its size is not seen.
        image_info: `[batch, 4, 2]`.
        size: Height and width of the result.
        fill: The value of padding.

    Returns:
        `[batch, size[0], size[1], ...]` of the dtype of `masks`.
    """
    shape, insides = masks.shape, []
    for axis, length in enumerate(size):
        info = image_info[..., axis, tf.newaxis]
        original, positions = tf.cast(info[:, 0], tf.int32), tf.range(length)[tf.newaxis]
        # In whole numbers, so that no rounding decides: the pixel of the mask that holds the centre of this one.
        scaled_positions = positions + tf.cast(info[:, 3], tf.int32)
        nearest = (2 * scaled_positions + 1) * original // (2 * _scaled(info))
        masks = tf.gather(masks, tf.clip_by_value(nearest, 0, original - 1), axis=axis + 1, batch_dims=1)
        insides.append(positions < _seen(info))
    inside = tf.logical_and(insides[0][:, :, tf.newaxis], insides[1][:, tf.newaxis])
    inside = tf.reshape(inside, [-1, *size, *([1] * (shape.rank - 3))])
    masks = tf.where(inside, masks, tf.cast(fill, masks.dtype))
    return tf.ensure_shape(masks, [shape[0], *size, *shape[3:]])


def random_flip(seed: tf.Tensor) -> tf.Tensor:
    """Decide with probability 1/2 whether to mirror; a boolean scalar that follows from a seed, int64 `[2]`."""
    return tf.random.stateless_uniform([], seed) < 0.5


def mirrored(image: tf.Tensor, flip: tf.Tensor) -> tf.Tensor:
    """Mirror left and right where `flip` is true: an image or mask `[height, width, ...]`.

    A box `[ymin, xmin, ymax, xmax]` of the image goes along as `[ymin, width - xmax, ymax, width - xmin]`.
    """
    return tf.cond(flip, lambda: tf.reverse(image, axis=[1]), lambda: tf.identity(image))


def _scaled(info: tf.Tensor) -> tf.Tensor:
    """Return the height or width of the whole scaled image, an integer, from an axis of `image_info`: `[..., 4, 1]`."""
    return tf.cast(tf.round(info[..., 0, :] * info[..., 2, :]), tf.int32)


def _seen(info: tf.Tensor) -> tf.Tensor:
    """Return how many rows or columns of the window the image fills."""
    left = _scaled(info) - tf.cast(info[..., 3, :], tf.int32)
    return tf.minimum(left, tf.cast(info[..., 1, :], tf.int32))
