"""Predicted and true boxes `[batch, ..., 4]` as tensors of one shape and of at least float32."""

from typing import Any

import tensorflow as tf
from assay.losses._labels import as_predictions
from assay.losses._reduction import compute_dtype

COORDINATES = 4


def aligned_boxes(targets: Any, predictions: Any) -> tuple[Any, Any]:
    """Return both in the dtype that the loss is computed in.

    Raises:
        ValueError: If one is not `[batch, ..., 4]`, or the shapes differ.
    """
    predictions = as_predictions(predictions)
    targets = tf.convert_to_tensor(targets)
    fits = targets.shape.rank == predictions.shape.rank and targets.shape.is_compatible_with(predictions.shape)
    if predictions.shape[-1] != COORDINATES or not fits:
        raise ValueError(
            f"Boxes must have shape [batch, ..., {COORDINATES}], the same for targets and predictions. Received "
            f"targets of shape {targets.shape} and predictions of shape {predictions.shape}. They are not broadcast."
        )
    if not (targets.shape.is_fully_defined() and predictions.shape.is_fully_defined()):
        tf.debugging.assert_equal(tf.shape(targets), tf.shape(predictions), "The targets do not fit the predictions.")
    dtype = compute_dtype(predictions)
    return tf.stop_gradient(tf.cast(targets, dtype)), tf.cast(predictions, dtype)
