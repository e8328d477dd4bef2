"""Areas, overlaps and places of boxes `[..., 4]`: ymin, xmin, ymax, xmax, continuous, an edge between two pixels."""

from typing import Any

import tensorflow as tf


def areas(boxes: Any) -> tf.Tensor:
    """Return height times width; 0 where a box ends before it begins.

    Args:
        boxes: Floats `[..., 4]`.

    Returns:
        `[...]`, in the square of the boxes' unit.
    """
    ymin, xmin, ymax, xmax = tf.unstack(boxes, axis=-1)
    return _length(ymin, ymax) * _length(xmin, xmax)


def pairwise_iou(first: Any, second: Any) -> tf.Tensor:
    """Return intersection over union of each box of one set with each of another.

    Args:
        first: Floats `[..., n, 4]`.
        second: Floats `[..., m, 4]`.

    Returns:
        `[..., n, m]`, from 0 to 1; 0 where both boxes are empty.
    """
    shared = _pairwise_intersections(first, second)
    union = areas(first)[..., :, tf.newaxis] + areas(second)[..., tf.newaxis, :] - shared
    return tf.math.divide_no_nan(shared, union)


def pairwise_coverage(first: Any, second: Any) -> tf.Tensor:
    """Return which share of each box of one set lies in each box of another: intersection over the second's area.

    Args:
        first: Floats `[..., n, 4]`: what covers, the regions of crowds, say.
        second: Floats `[..., m, 4]`: what is covered.

    Returns:
        `[..., n, m]`, from 0 to 1; 0 where the covered box is empty.
    """
    return tf.math.divide_no_nan(_pairwise_intersections(first, second), areas(second)[..., tf.newaxis, :])


def clip(boxes: Any, image_size: Any) -> tf.Tensor:
    """Cut off what lies outside the image.

    Args:
        boxes: Floats `[..., 4]` in pixels.
        image_size: Height and width in pixels, `[2]`, or `[..., 1, 2]` of each image.

    Returns:
        `[..., 4]`; a box outside the image becomes empty, at its border.
    """
    limits = tf.cast(image_size, boxes.dtype)
    return tf.clip_by_value(boxes, 0, tf.concat([limits, limits], axis=-1))


def is_not_empty(boxes: Any) -> tf.Tensor:
    """Return bool `[...]` for boxes `[..., 4]`: whether height and width are above 0."""
    ymin, xmin, ymax, xmax = tf.unstack(boxes, axis=-1)
    return tf.logical_and(ymax > ymin, xmax > xmin)


def mirrored(boxes: Any, flip: Any) -> tf.Tensor:
    """Mirror normalised boxes left and right where `flip` is true.

    Args:
        boxes: Floats `[..., 4]`, as shares of the image's sides.
        flip: Boolean scalar.
    """
    ymin, xmin, ymax, xmax = tf.unstack(boxes, axis=-1)
    return tf.where(flip, tf.stack([ymin, 1.0 - xmax, ymax, 1.0 - xmin], axis=-1), boxes)


def placed(boxes: Any, image_info: Any) -> tf.Tensor:
    """Take normalised boxes of an image to where they lie in the model's input, cut off at its window.

    Args:
        boxes: float32 `[n, 4]`, as shares of the image's sides.
        image_info: float32 `[4, 2]`; see `vision.images.geometry`.

    Returns:
        float32 `[n, 4]` in pixels of the model's input; empty for boxes that lie outside of the window.
    """
    original, window, scale, offset = tf.unstack(image_info)
    twice = lambda pair: tf.concat([pair, pair], axis=-1)  # noqa: E731
    return clip(boxes * twice(original * scale) - twice(offset), window)


def _length(begin: Any, end: Any) -> tf.Tensor:
    return tf.maximum(end - begin, 0)


def _pairwise_intersections(first: Any, second: Any) -> tf.Tensor:
    ymin, xmin, ymax, xmax = (side[..., :, tf.newaxis] for side in tf.unstack(first, axis=-1))
    other_ymin, other_xmin, other_ymax, other_xmax = (side[..., tf.newaxis, :] for side in tf.unstack(second, axis=-1))
    height = _length(tf.maximum(ymin, other_ymin), tf.minimum(ymax, other_ymax))
    return height * _length(tf.maximum(xmin, other_xmin), tf.minimum(xmax, other_xmax))
