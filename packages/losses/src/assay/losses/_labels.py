"""Class labels in their two forms, sparse ids and one value per class, told apart by rank and never broadcast."""

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

LOW_PRECISION = (tf.float16, tf.bfloat16)


def as_predictions(predictions: Any) -> Any:
    """Predictions as a tensor of known rank, in the dtype they came in (integers as float32).

    Raises:
        ValueError: If the rank is unknown or 0.
    """
    predictions = tf.convert_to_tensor(predictions)
    if not predictions.dtype.is_floating:
        predictions = tf.cast(predictions, tf.float32)
    if not predictions.shape.rank:
        raise ValueError(
            "Predictions must have shape [batch, ..., num_classes] of a known rank. "
            f"Received shape: {predictions.shape}."
        )
    return predictions


def align_labels(labels: Any, predictions: Any) -> tuple[Any, bool]:
    """Bring labels into the form that fits `[batch, ..., num_classes]` predictions, or refuse them.

    * `[batch, ...]`, and `[batch, ..., 1]`, where there is more than one class: sparse class ids.
    * `[batch, ..., num_classes]`: one value per class (one-hot, multi-hot, soft). With one class only, where an id
      would say nothing, `[batch, ...]` is the value of that class.

    Args:
        labels: Tensor or array of labels.
        predictions: Tensor from `as_predictions`.

    Returns:
        The labels and whether they are sparse. Sparse labels come as int32 or int64 `[batch, ...]`, and an id that is
        no whole number as -1; the others in their own dtype, with the shape of the predictions.

    Raises:
        ValueError: If the shapes do not fit, a rank is unknown, or ids come in a dtype that cannot hold them.
    """
    labels = tf.convert_to_tensor(labels)
    rank, expected = labels.shape.rank, predictions.shape
    if rank is None:
        raise ValueError(
            f"Labels of unknown rank cannot be aligned with predictions of shape {expected}. "
            "Set the shape of the labels (`tf.ensure_shape`)."
        )
    received = labels.shape
    if rank == expected.rank and received[-1] == 1 and expected[-1] != 1:
        labels = tf.squeeze(labels, axis=-1)
    elif rank == expected.rank - 1 and expected[-1] == 1:
        labels = tf.expand_dims(labels, axis=-1)
    sparse = labels.shape.rank == expected.rank - 1
    wanted = expected[:-1] if sparse else expected
    if not labels.shape.is_compatible_with(wanted):
        raise ValueError(
            f"Labels of shape {received} do not fit predictions of shape {expected}: expected class ids of shape "
            f"{expected[:-1]}, or one value per class, {expected}. They are not broadcast."
        )
    if not (labels.shape.is_fully_defined() and wanted.is_fully_defined()):
        # Sizes that are known only when the step runs: without this a size of 1 would quietly broadcast. XLA, which
        # knows all sizes when it compiles, leaves assertions out.
        sizes = tf.shape(predictions)[:-1] if sparse else tf.shape(predictions)
        tf.debugging.assert_equal(tf.shape(labels), sizes, "The labels do not fit the predictions.")
    return (_as_ids(labels), True) if sparse else (labels, False)


def require_keys(owner: str, side: Any, keys: Sequence[str]) -> None:
    """Refuse labels or outputs that are no mapping, or lack a key.

    Args:
        owner: What needs them, to begin the error with.
        side: Labels or outputs as they were given.
        keys: What must be there.

    Raises:
        ValueError: If they are no mapping or a key is missing.
    """
    if not isinstance(side, Mapping):
        raise ValueError(f"{owner} needs a mapping with {', '.join(keys)}. Received {type(side).__name__}.")
    missing = [key for key in keys if side.get(key) is None]
    if missing:
        raise ValueError(f"{owner} needs {', '.join(missing)}. Received only {', '.join(map(str, sorted(side)))}.")


def _as_ids(labels: Any) -> Any:
    if labels.dtype in LOW_PRECISION:
        raise ValueError(
            f"Class ids came as {labels.dtype.name}, which cannot hold every id (bfloat16 is exact up to 256, float16 "
            "up to 2048). Pass integers; a likely cause is a cast of the whole batch to the compute dtype."
        )
    if labels.dtype.is_floating:
        whole = tf.floor(labels)
        return tf.cast(tf.where(tf.equal(labels, whole), whole, -tf.ones_like(whole)), tf.int64)
    if labels.dtype in (tf.int32, tf.int64):
        return labels
    return tf.cast(labels, tf.int64 if labels.dtype.size >= tf.uint32.size else tf.int32)
