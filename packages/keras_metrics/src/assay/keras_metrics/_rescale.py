"""Predictions brought to the size of the labels: resized, or back to the original image by `image_info`.

`image_info` is Model Garden's `[batch, 4, 2]`, everything (y, x): the size of the original image; the size of the
model's input; the scale, scaled size / original size; the offset of the crop in pixels of the scaled image.

Everything has static shapes: the original image lies at the top left of a label map of one size for all, and each of
its pixels looks up where the prediction for it is. Nothing is resized to a size that depends on the data.
"""

from typing import Any

import tensorflow as tf


def resize(predictions: Any, size: Any) -> Any:
    """Resize predictions to the size of the labels: scores bilinearly, class ids to the nearest, as `tf.image.resize`.

    Args:
        predictions: `[batch, h, w, num_classes]` float scores, or `[batch, h, w]` integer class ids.
        size: `(height, width)`, integers or an int32 tensor `[2]`.

    Returns:
        `[batch, height, width, num_classes]` or `[batch, height, width]`.
    """
    if predictions.dtype.is_floating:
        return tf.image.resize(predictions, size, method="bilinear")
    return tf.image.resize(predictions[..., tf.newaxis], size, method="nearest")[..., 0]


def to_original(predictions: Any, image_info: Any, size: Any, *, input_size: tuple[int, int] | None) -> tuple[Any, Any]:
    """Look up the prediction for each pixel of the original image.

        input_y = (y + 0.5) * scale_y - offset_y                    pixels of the model's input
        row     = input_y * h / input_height - 0.5                  rows of the prediction, interpolated bilinearly

    Args:
        predictions: `[batch, h, w, num_classes]` float scores, or `[batch, h, w]` integer class ids (nearest).
        image_info: `[batch, 4, 2]`.
        size: `(height, width)` of the label map, integers or an int32 tensor `[2]`.
        input_size: `(height, width)` of the model's input with its padding, all of which the predictions cover; None
            when it is row 1 of `image_info`.

    Returns:
        The predictions `[batch, height, width, ...]`, and bool `[batch, height, width]`: whether the pixel belongs to
        the original image and was in the input.
    """
    image_info = tf.cast(tf.convert_to_tensor(image_info), tf.float32)
    if not image_info.shape.is_compatible_with([predictions.shape[0], 4, 2]):
        raise ValueError(
            f"`image_info` must have shape [batch, 4, 2], here {[predictions.shape[0], 4, 2]}. "
            f"Received: {image_info.shape}."
        )
    canvas = image_info[:, 1] if input_size is None else tf.constant([input_size], tf.float32)
    inside = []
    for axis in (0, 1):
        predictions, seen = _look_up(
            predictions,
            axis=axis,
            length=size[axis],
            original=image_info[:, 0, axis],
            canvas=canvas[:, axis],
            scale=image_info[:, 2, axis],
            offset=image_info[:, 3, axis],
        )
        inside.append(seen)
    return predictions, tf.logical_and(inside[0][:, :, tf.newaxis], inside[1][:, tf.newaxis, :])


def _look_up(
    predictions: Any, *, axis: int, length: Any, original: Any, canvas: Any, scale: Any, offset: Any
) -> tuple[Any, Any]:
    """One axis of `to_original`; the numbers are `[batch]`, or `[1]` for the canvas."""
    original, canvas, scale, offset = (tf.expand_dims(one, axis=-1) for one in (original, canvas, scale, offset))
    pixel = tf.range(length, dtype=tf.int32)
    centre = (tf.cast(pixel, tf.float32) + 0.5)[tf.newaxis]
    at_input = centre * scale - offset
    inside = tf.logical_and(centre < original, tf.logical_and(at_input >= 0, at_input <= canvas))
    cells = tf.shape(predictions)[axis + 1]
    position = at_input * tf.cast(cells, tf.float32) / canvas
    if not predictions.dtype.is_floating:
        nearest = tf.clip_by_value(tf.cast(tf.floor(position), tf.int32), 0, cells - 1)
        return tf.gather(predictions, nearest, axis=axis + 1, batch_dims=1), inside
    position = tf.clip_by_value(position - 0.5, 0.0, tf.cast(cells - 1, tf.float32))
    before = tf.cast(tf.floor(position), tf.int32)
    share = position - tf.floor(position)
    share = tf.cast(tf.reshape(share, [-1, length, 1, 1] if axis == 0 else [-1, 1, length, 1]), predictions.dtype)
    low, high = (
        tf.gather(predictions, index, axis=axis + 1, batch_dims=1)
        for index in (before, tf.minimum(before + 1, cells - 1))
    )
    return low + share * (high - low), inside
