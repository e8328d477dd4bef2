"""Crops and flips of single images, each a pure function of the image and a seed."""

from collections.abc import Sequence

import tensorflow as tf

ASPECT_RATIO_RANGE = (3 / 4, 4 / 3)
"""Of random crops, width by height; Szegedy et al., "Going Deeper with Convolutions", 2015."""
MAX_CROP_ATTEMPTS = 10


def random_resized_crop(
    image: tf.Tensor, size: Sequence[int], *, seed: tf.Tensor, area_range: Sequence[float]
) -> tf.Tensor:
    """Cut out a random part and resize it; the whole image where no part fits in `MAX_CROP_ATTEMPTS` attempts.

    Args:
        image: `[height, width, channels]`.
        size: Height and width of the result.
        seed: int64 `[2]`.
        area_range: Smallest and largest share of the area.

    Returns:
        float32 `[size[0], size[1], channels]`, interpolated bilinearly, in the range of the input.
    """
    whole = tf.constant([0.0, 0.0, 1.0, 1.0], shape=[1, 1, 4])
    begin, extent, _ = tf.image.stateless_sample_distorted_bounding_box(
        tf.shape(image),
        whole,
        seed,
        min_object_covered=area_range[0],
        aspect_ratio_range=ASPECT_RATIO_RANGE,
        area_range=area_range,
        max_attempts=MAX_CROP_ATTEMPTS,
        use_image_if_no_bounding_boxes=True,
    )
    return _resized(tf.slice(image, begin, extent), size)


def center_crop(image: tf.Tensor, size: Sequence[int], *, fraction: float) -> tf.Tensor:
    """Cut out the middle, `fraction` of the largest part with the aspect ratio of `size`, and resize it.

    Args:
        image: `[height, width, channels]`.
        size: Height and width of the result.
        fraction: Above 0, at most 1.

    Returns:
        float32 `[size[0], size[1], channels]`, interpolated bilinearly, in the range of the input.
    """
    sides = tf.cast(tf.shape(image)[:2], tf.float32)
    target = tf.constant(size, tf.float32)
    # Rounding, because a side of 8 times a fraction of 1 may come out a little below 8.
    kept = tf.cast(tf.round(fraction * target * tf.reduce_min(sides / target)), tf.int32)
    kept = tf.maximum(kept, 1)
    begin = (tf.shape(image)[:2] - kept) // 2
    cropped = tf.image.crop_to_bounding_box(image, begin[0], begin[1], kept[0], kept[1])
    return _resized(cropped, size)


def random_flip(image: tf.Tensor, *, seed: tf.Tensor) -> tf.Tensor:
    """Mirror left and right with probability 1/2.

    Args:
        image: `[height, width, channels]`.
        seed: int64 `[2]`.
    """
    return tf.image.stateless_random_flip_left_right(image, seed)


def _resized(image: tf.Tensor, size: Sequence[int]) -> tf.Tensor:
    resized = tf.image.resize(image, size, method=tf.image.ResizeMethod.BILINEAR)
    return tf.cast(tf.ensure_shape(resized, [*size, image.shape[-1]]), tf.float32)
