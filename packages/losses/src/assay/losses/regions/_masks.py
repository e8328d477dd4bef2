"""True and predicted masks of each class, as rows of pixels, and the mean over the classes."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import tensorflow as tf
from assay.losses import _probabilities
from assay.losses._cross_entropy import class_weight_tensor, in_range
from assay.losses._labels import align_labels, as_predictions
from assay.losses._reduction import compute_dtype, hide

ACTIVATIONS = ("softmax", "sigmoid")
CLASSES = ("all", "present")


class Masks(NamedTuple):
    """Masks of each class.

    Attributes:
        true: `[batch, pixels, num_classes]` in [0, 1]; 0 for ignored pixels.
        found: The same, predicted; 0 for ignored pixels.
        keep: Boolean `[batch, pixels]`, false for ignored pixels; None when there are none.
        known: Boolean `[batch]`: whether all ids of the image name a class; None when labels are no ids.
    """

    true: Any
    found: Any
    keep: Any
    known: Any


def masks(labels: Any, predictions: Any, *, activation: str, from_logits: bool, ignore_label: int | None) -> Masks:
    """Bring labels and predictions `[batch, ..., num_classes]` into the form that region losses are computed in.

    Raises:
        ValueError: If shapes do not fit, or `ignore_label` is given and labels are not sparse.
    """
    predictions = as_predictions(predictions)
    if predictions.shape.rank < 3:
        raise ValueError(
            "A loss of regions needs predictions of shape [batch, ..., num_classes], with at least one axis of pixels. "
            f"Received shape {predictions.shape}."
        )
    labels, sparse = align_labels(labels, predictions)
    labels, dtype = tf.stop_gradient(labels), compute_dtype(predictions)
    keep = known = None
    num_classes = tf.shape(predictions)[-1]
    if sparse:
        known = in_range(labels, predictions)
        if ignore_label is not None:
            keep = tf.not_equal(labels, tf.cast(ignore_label, labels.dtype))
            known = tf.logical_or(known, tf.logical_not(keep))
            predictions = hide(predictions, keep)
        known = tf.reduce_all(_rows(known), axis=-1)
        labels = tf.one_hot(labels, num_classes, dtype=dtype)
    elif ignore_label is not None:
        raise ValueError(
            f"`ignore_label` ({ignore_label}) names a sparse id, but labels have one value per class "
            f"({labels.shape}). Pass sparse ids."
        )
    found = tf.cast(predictions, dtype)
    if from_logits:
        found = _probabilities.softmax(found) if activation == "softmax" else _probabilities.sigmoid(found)
    true = tf.cast(labels, dtype)
    if keep is not None:
        true, found = hide(true, keep), hide(found, keep)
        keep = _rows(keep)
    return Masks(_rows_of_classes(true), _rows_of_classes(found), keep, known)


def mean_over_classes(values: Any, true: Any, *, classes: str, class_weights: Sequence[float] | None) -> Any:
    """The weighted mean of `[batch, num_classes]` over the classes; 0 where none counts.

    Args:
        values: One value per class.
        true: True masks `[batch, pixels, num_classes]`.
        classes: "all", or "present" for those with a pixel in the true mask of the image.
        class_weights: One factor per class, or None.
    """
    weights = class_weight_tensor(class_weights, values.shape[-1], values.dtype)
    weights = tf.ones_like(values) if weights is None else tf.ones_like(values) * weights
    if classes == "present":
        weights = hide(weights, tf.reduce_any(true > 0.0, axis=1))
    return tf.math.divide_no_nan(tf.reduce_sum(values * weights, axis=-1), tf.reduce_sum(weights, axis=-1))


def nan_where_unknown(values: Any, known: Any) -> Any:
    """NaN for images with an id that names no class."""
    return values if known is None else tf.where(known, values, tf.constant(float("nan"), values.dtype))


def check_options(activation: str, classes: str) -> None:
    """Refuse an unknown activation or policy for classes."""
    if activation not in ACTIVATIONS:
        raise ValueError(f"`activation` must be one of {', '.join(ACTIVATIONS)}. Received: {activation!r}.")
    if classes not in CLASSES:
        raise ValueError(f"`classes` must be one of {', '.join(CLASSES)}. Received: {classes!r}.")


def _rows(tensor: Any) -> Any:
    """`[batch, ...]` as `[batch, pixels]`."""
    shape = tf.shape(tensor)
    return tf.reshape(tensor, [shape[0], tf.reduce_prod(shape[1:])])


def _rows_of_classes(tensor: Any) -> Any:
    shape = tf.shape(tensor)
    depth = shape[-1] if tensor.shape[-1] is None else tensor.shape[-1]
    return tf.reshape(tensor, [shape[0], tf.reduce_prod(shape[1:-1]), depth])
