"""Class labels and weights brought to the shape that the predictions ask for, by rank and never by broadcasting."""

from typing import Any

import tensorflow as tf

LOW_PRECISION = (tf.float16, tf.bfloat16)
NO_CLASS = -1


def as_scores(predictions: Any) -> Any:
    """Predictions `[batch, ..., num_classes]` as float32 (float64 stays): the order of the scores is kept.

    Raises:
        ValueError: If there is no batch axis, the rank is unknown, or there is one class only.
    """
    scores = tf.convert_to_tensor(predictions)
    if scores.shape.rank is None or scores.shape.rank < 2 or scores.shape[-1] == 1:
        raise ValueError(
            "`y_pred` must have shape [batch, ..., num_classes] with at least two classes and a known rank. "
            f"Received shape {scores.shape}. One score per example is a binary prediction: give both classes a score."
        )
    return scores if scores.dtype == tf.float64 else tf.cast(scores, tf.float32)


def as_class_ids(labels: Any, scores: Any) -> Any:
    """Labels as class ids `[batch, ...]`.

    Args:
        labels: Sparse ids `[batch, ...]` or `[batch, ..., 1]`, integers or whole float32/float64 numbers; or one value
            per class `[batch, ..., num_classes]`, of which the largest names the class (the lowest id at a tie) and
            a row without a positive value names none.
        scores: Tensor from `as_scores`.

    Returns:
        int32 or int64 `[batch, ...]`. What names no class is `NO_CLASS`; ids out of range stay as they are.

    Raises:
        ValueError: If the shapes do not fit, a rank is unknown, or ids come in a dtype that cannot hold them.
    """
    labels = tf.convert_to_tensor(labels)
    rank, expected = labels.shape.rank, scores.shape
    if rank is None:
        raise ValueError(
            f"`y_true` of unknown rank cannot be aligned with `y_pred` of shape {expected}. "
            "Set its shape (`tf.ensure_shape`)."
        )
    received = labels.shape
    if rank == expected.rank and labels.shape[-1] == 1:
        labels = tf.squeeze(labels, axis=-1)
    sparse = labels.shape.rank == expected.rank - 1
    wanted = expected[:-1] if sparse else expected
    if not labels.shape.is_compatible_with(wanted):
        raise ValueError(
            f"`y_true` of shape {received} does not fit `y_pred` of shape {expected}: expected class ids of shape "
            f"{expected[:-1]}, or one value per class, {expected}. It is not broadcast."
        )
    if not (labels.shape.is_fully_defined() and wanted.is_fully_defined()):
        # Sizes that are known only when the step runs: without this a size of 1 would quietly broadcast. XLA, which
        # knows all sizes when it compiles, leaves assertions out.
        sizes = tf.shape(scores)[:-1] if sparse else tf.shape(scores)
        tf.debugging.assert_equal(tf.shape(labels), sizes, "`y_true` does not fit `y_pred`.")
    return _sparse_ids(labels) if sparse else _largest_class(labels)


def align_weights(weights: Any, shape: Any) -> Any:
    """Bring weights to the shape of the elements `[d0, ..., dn]`.

    Accepted: a scalar; that shape; that shape with axes of size 1 after the first; a leading part `[d0, ..., dk]` of it
    (a weight per row); any of these with one more axis of size 1 at the end.

    Args:
        weights: Tensor of any dtype.
        shape: Tensor of the elements; only its shape is used.

    Returns:
        A tensor of exactly the shape of the elements.

    Raises:
        ValueError: If the shapes do not fit.
    """
    elements = shape
    rank = weights.shape.rank
    if rank is None:
        raise ValueError("`sample_weight` has an unknown rank. Set its shape (`tf.ensure_shape`).")
    received = weights.shape
    if rank == elements.shape.rank + 1 and weights.shape[-1] == 1:
        weights = tf.squeeze(weights, axis=-1)
        rank -= 1
    fits = rank <= elements.shape.rank and all(
        have is None or want is None or have == want or (have == 1 and axis > 0)
        for axis, (have, want) in enumerate(zip(weights.shape, elements.shape, strict=False))
    )
    if not fits:
        raise ValueError(
            f"`sample_weight` must be a scalar, or have the shape of the elements, {elements.shape}, or a leading part "
            f"of it. Received shape {received}."
        )
    if rank:
        for _ in range(elements.shape.rank - rank):
            weights = tf.expand_dims(weights, axis=-1)
    return tf.broadcast_to(weights, tf.shape(elements))


def _sparse_ids(labels: Any) -> Any:
    if labels.dtype in LOW_PRECISION:
        raise ValueError(
            f"Class ids came as {labels.dtype.name}, which cannot hold every id (bfloat16 is exact up to 256, float16 "
            "up to 2048). Pass integers; a likely cause is a cast of the whole batch to the compute dtype."
        )
    if labels.dtype.is_floating:
        whole = tf.floor(labels)
        return tf.cast(tf.where(tf.equal(labels, whole), whole, NO_CLASS * tf.ones_like(whole)), tf.int64)
    if labels.dtype in (tf.int32, tf.int64):
        return labels
    return tf.cast(labels, tf.int64 if labels.dtype.size >= tf.uint32.size else tf.int32)


def _largest_class(labels: Any) -> Any:
    labels = tf.cast(labels, tf.float64 if labels.dtype == tf.float64 else tf.float32)
    largest = tf.reduce_max(labels, axis=-1, keepdims=True)
    classes = tf.range(tf.shape(labels)[-1])
    # tf.argmax promises nothing about ties; the smallest of the tied ids is the same on every device.
    first = tf.reduce_min(tf.where(tf.equal(labels, largest), classes, tf.shape(labels)[-1]), axis=-1)
    return tf.where(tf.squeeze(largest, axis=-1) > 0, first, NO_CLASS)
