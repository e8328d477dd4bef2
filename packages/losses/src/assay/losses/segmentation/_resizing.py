"""Label maps and logits of different sizes are brought to one, by resizing either side."""

from typing import Any

import tensorflow as tf


def as_label_map(labels: Any, logits: Any) -> Any:
    """Labels as `[batch, height, width, layers]`.

    Raises:
        ValueError: If labels are not `[batch, height, width]` or `[batch, height, width, layers]`, or logits not
            `[batch, height, width, num_classes]`.
    """
    if logits.shape.rank != 4:
        raise ValueError(f"Logits must have shape [batch, height, width, num_classes]. Received shape {logits.shape}.")
    if labels.shape.rank == 3:
        labels = tf.expand_dims(labels, axis=-1)
    if labels.shape.rank != 4 or labels.shape[-1] is None:
        raise ValueError(
            "Labels must have shape [batch, height, width] or [batch, height, width, layers], with a known number of "
            f"layers. Received shape {labels.shape} for logits of shape {logits.shape}."
        )
    if not labels.shape[:1].is_compatible_with(logits.shape[:1]):
        raise ValueError(f"Labels {labels.shape} and logits {logits.shape} are batches of different sizes.")
    return labels


def resize_logits(logits: Any, labels: Any) -> Any:
    """Logits at the height and width of the labels: bilinear, half-pixel centres, in at least float32."""
    if _same_size(logits, labels):
        return logits
    wide = logits if logits.dtype == tf.float64 else tf.cast(logits, tf.float32)
    resized = tf.image.resize(wide, tf.shape(labels)[1:3], method=tf.image.ResizeMethod.BILINEAR)
    resized = tf.cast(resized, wide.dtype)
    resized.set_shape([logits.shape[0], labels.shape[1], labels.shape[2], logits.shape[3]])
    return resized


def resize_labels(labels: Any, logits: Any) -> Any:
    """Labels at the height and width of the logits: the nearest label, half-pixel centres, in any dtype."""
    if _same_size(labels, logits):
        return labels
    for axis in (1, 2):
        labels = tf.gather(labels, _nearest(tf.shape(labels)[axis], tf.shape(logits)[axis]), axis=axis)
    labels.set_shape([labels.shape[0], logits.shape[1], logits.shape[2], labels.shape[3]])
    return labels


def _nearest(size: Any, wanted: Any) -> Any:
    """For each of `wanted` positions the index of the nearest of `size`, in whole numbers: floor((i + 1/2) * ratio)."""
    positions = (2 * tf.range(wanted) + 1) * size // tf.maximum(2 * wanted, 1)
    return tf.minimum(positions, size - 1)


def _same_size(one: Any, two: Any) -> bool:
    sizes = [one.shape[1:3], two.shape[1:3]]
    return all(size.is_fully_defined() for size in sizes) and sizes[0] == sizes[1]
