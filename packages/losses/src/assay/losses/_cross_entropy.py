"""Softmax and sigmoid cross-entropy as plain functions: one value per element, nothing reduced.

```python
from assay.losses import softmax_cross_entropy

softmax_cross_entropy([2, 0], [[0.1, 0.2, 3.0], [2.0, -1.0, 0.5]])  # [0.1096, 0.2413]
```
"""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
from assay.losses._labels import align_labels, as_predictions
from assay.losses._options import optional_floats
from assay.losses._probabilities import log
from assay.losses._reduction import compute_dtype, hide

CLASS_REDUCTIONS = ("mean", "sum")


def softmax_cross_entropy(
    labels: Any,
    predictions: Any,
    *,
    from_logits: bool = True,
    label_smoothing: float = 0.0,
    class_weights: Sequence[float] | None = None,
    ignore_label: int | None = None,
) -> Any:
    """Cross-entropy of a softmax over exclusive classes, one value per element.

    With `p = softmax(logits)`, target `q`, and smoothing `s` over `C` classes:

        value = -weight * sum_k ((1 - s) * q[k] + s / C) * log(p[k])
        weight = sum_k q[k] * class_weights[k]                    (1 without class weights)

    `q` is one-hot for sparse ids. The rows of soft labels are used as they are, they are not normalised. In smoothing
    `s / C` is multiplied by `sum_k q[k]`, so an all-zero row of labels gives 0. `class_weights` multiply the value and
    belong to no normaliser.

    Args:
        labels: Sparse ids `[batch, ...]` (or `[batch, ..., 1]`), integers or whole float32/float64 numbers; or one
            value per class `[batch, ..., num_classes]`, any dtype. Labels receive no gradient.
        predictions: `[batch, ..., num_classes]` float, logits or probabilities. Computed in float32, in float64 when
            they are float64.
        from_logits: Whether predictions are logits (the default) or probabilities. A probability below 1e-7 counts as
            1e-7 in the value and keeps the gradient of 1e-7, so that a confident mistake can be unlearned.
        label_smoothing: `s` in [0, 1].
        class_weights: One factor per class, `[num_classes]`.
        ignore_label: Sparse id whose elements have value 0 and gradient 0, whatever the prediction. None ignores none.

    Returns:
        `[batch, ...]` float32 (or float64). A sparse id outside `[0, num_classes)` that is not ignored gives NaN, on
        every device alike.

    Raises:
        ValueError: If shapes do not fit, an option is out of range, or there is one class only; if `ignore_label` is
            given and labels are not sparse.

    References:
        Goodfellow, Bengio, Courville, "Deep Learning", section 6.2.2, 2016.
        Szegedy et al., "Rethinking the Inception Architecture for Computer Vision" (label smoothing), 2016.
    """
    check_label_smoothing(label_smoothing)
    predictions = as_predictions(predictions)
    labels, sparse = align_labels(labels, predictions)
    labels = tf.stop_gradient(labels)
    dtype = compute_dtype(predictions)
    num_classes = predictions.shape[-1]
    if num_classes == 1:
        raise ValueError(
            f"A softmax over one class is always certain, so its loss is always 0. Received predictions of shape "
            f"{predictions.shape}. For a binary decision use the sigmoid cross-entropy, or give both classes a score."
        )
    weights_of_classes = class_weight_tensor(class_weights, num_classes, dtype)
    if not sparse:
        if ignore_label is not None:
            raise ValueError(
                f"`ignore_label` ({ignore_label}) names a sparse id, but labels have one value per class "
                f"({labels.shape}). Pass sparse ids, or a `sample_weight` of 0 for what shall be ignored."
            )
        labels = tf.cast(labels, dtype)
        log_probabilities = _log_probabilities(tf.cast(predictions, dtype), from_logits)
        targets = _smooth(labels, label_smoothing, num_classes)
        # A class of weight 0 may have a logit of -inf: it was masked out of the softmax on purpose.
        values = -tf.reduce_sum(tf.math.multiply_no_nan(log_probabilities, targets), axis=-1)
        if weights_of_classes is not None:
            values *= tf.reduce_sum(labels * weights_of_classes, axis=-1)
        return values

    keep = None if ignore_label is None else tf.not_equal(labels, tf.cast(ignore_label, labels.dtype))
    guarded = from_logits and label_smoothing == 0.0
    if keep is not None:
        labels = hide(labels, keep)
        predictions = predictions if guarded else hide(predictions, keep)
    known = in_range(labels, predictions)
    ids = hide(labels, known)
    predictions = tf.cast(predictions, dtype)
    if guarded:
        values = _guarded_values(ids, predictions)
    else:
        values = _sparse_values(ids, predictions, from_logits, label_smoothing)
    if weights_of_classes is not None:
        values *= tf.gather(weights_of_classes, ids)
    values = tf.where(known, values, tf.constant(float("nan"), dtype))
    return values if keep is None else hide(values, keep)


def sigmoid_cross_entropy(
    labels: Any,
    predictions: Any,
    *,
    from_logits: bool = True,
    label_smoothing: float = 0.0,
    class_weights: Sequence[float] | None = None,
    ignore_label: int | None = None,
    class_reduction: str = "mean",
) -> Any:
    """Cross-entropy of one sigmoid per class, for one-hot, multi-label and soft targets; one value per element.

    With `p = sigmoid(logits)`, target `q` in [0, 1], smoothing `s` and `t = (1 - s) * q + s / 2`:

        entry[k] = -class_weights[k] * (t[k] * log(p[k]) + (1 - t[k]) * log(1 - p[k]))
        value = mean over the classes of entry[k], or their sum (`class_reduction`)

    Args:
        labels: One value per class `[batch, ..., num_classes]`, any dtype; or sparse ids `[batch, ...]`, which become
            one-hot. With one class, `[batch, ...]` are its values. Labels receive no gradient.
        predictions: `[batch, ..., num_classes]` float, logits or probabilities. Computed in float32, in float64 when
            they are float64.
        from_logits: Whether predictions are logits (the default) or probabilities; see `softmax_cross_entropy`.
        label_smoothing: `s` in [0, 1].
        class_weights: One factor per class, `[num_classes]`.
        ignore_label: Entries of the labels with this value (an attribute that nobody annotated), or elements with
            this sparse id, have value 0 and gradient 0; the mean goes over the remaining classes.
        class_reduction: "mean" or "sum" over the classes.

    Returns:
        `[batch, ...]` float32 (or float64). A sparse id outside `[0, num_classes)` that is not ignored gives NaN.

    Raises:
        ValueError: If shapes do not fit or an option is out of range.

    References:
        Bishop, "Pattern Recognition and Machine Learning", section 4.3.2, 2006.
    """
    check_label_smoothing(label_smoothing)
    check_class_reduction(class_reduction)
    predictions = as_predictions(predictions)
    labels, sparse = align_labels(labels, predictions)
    labels = tf.stop_gradient(labels)
    dtype = compute_dtype(predictions)
    weights_of_classes = class_weight_tensor(class_weights, predictions.shape[-1], dtype)
    keep = kept_entries(labels, predictions, sparse=sparse, ignore_label=ignore_label)
    known = None
    if sparse:
        if ignore_label is not None:
            labels = hide(labels, tf.not_equal(labels, tf.cast(ignore_label, labels.dtype)))
        known = in_range(labels, predictions)
        labels = tf.one_hot(labels, tf.shape(predictions)[-1], dtype=dtype)
    labels = tf.cast(labels, dtype)
    predictions = tf.cast(predictions, dtype)
    if keep is not None:
        labels, predictions = hide(labels, keep), hide(predictions, keep)

    targets = (1.0 - label_smoothing) * labels + 0.5 * label_smoothing
    if from_logits:
        entries = tf.nn.sigmoid_cross_entropy_with_logits(labels=targets, logits=predictions)
    else:
        entries = -targets * log(predictions) - (1.0 - targets) * log(1.0 - predictions)
    if weights_of_classes is not None:
        entries *= weights_of_classes
    if keep is not None:
        entries = hide(entries, keep)
    values = tf.reduce_sum(entries, axis=-1)
    if class_reduction == "mean":
        counted = tf.ones_like(entries) if keep is None else tf.cast(keep, dtype)
        values = tf.math.divide_no_nan(values, tf.reduce_sum(counted, axis=-1))
    return values if known is None else tf.where(known, values, tf.constant(float("nan"), dtype))


def kept_entries(labels: Any, predictions: Any, *, sparse: bool, ignore_label: int | None) -> Any:
    """Which entries of `[batch, ..., num_classes]` count under `ignore_label`: boolean, or None for all of them."""
    if ignore_label is None:
        return None
    if sparse:
        keep = tf.not_equal(labels, tf.cast(ignore_label, labels.dtype))
        return tf.broadcast_to(tf.expand_dims(keep, axis=-1), tf.shape(predictions))
    # Compared as floats: cast to an unsigned dtype, -1 would be 255.
    return tf.not_equal(tf.cast(labels, tf.float32), float(ignore_label))


def in_range(ids: Any, predictions: Any) -> Any:
    """Which sparse ids name a class: boolean `[batch, ...]`."""
    num_classes = tf.cast(tf.shape(predictions)[-1], ids.dtype)
    return tf.logical_and(ids >= 0, ids < num_classes)


def check_label_smoothing(label_smoothing: float) -> None:
    """Refuse a label smoothing outside [0, 1]."""
    if not 0.0 <= label_smoothing <= 1.0:
        raise ValueError(f"`label_smoothing` must be in [0, 1]. Received: {label_smoothing!r}.")


def check_class_reduction(class_reduction: str) -> None:
    """Refuse a class reduction that is neither `mean` nor `sum`."""
    if class_reduction not in CLASS_REDUCTIONS:
        raise ValueError(f"`class_reduction` must be one of {CLASS_REDUCTIONS}. Received: {class_reduction!r}.")


def class_weight_tensor(
    class_weights: Sequence[float] | None, num_classes: int | None, dtype: Any, *, option: str = "class_weights"
) -> Any:
    """Class weights as a tensor `[num_classes]`, or None.

    Raises:
        ValueError: If there is not exactly one weight per class.
    """
    if class_weights is None:
        return None
    weights = tf.constant(optional_floats(class_weights, option=option), dtype=dtype)
    if num_classes is not None and weights.shape[0] != num_classes:
        raise ValueError(
            f"`{option}` must hold one number per class ({num_classes} in the predictions). "
            f"Received {weights.shape[0]}."
        )
    return weights


def _guarded_values(ids: Any, logits: Any) -> Any:
    """Cross-entropy of logits, whose gradient is 0 for an element that is left out, even if it is not finite.

    With the largest logit `m` and the largest probability `exp(m - logsumexp)`, `logsumexp = m - log(p_max)`. The
    softmax is computed once for value and gradient; on a CPU that takes half the time of the kernel for sparse labels.
    Multiplying so that 0 times NaN is 0 saves hiding the logits of ignored elements beforehand.
    """

    @tf.custom_gradient
    def guarded(logits: Any) -> Any:
        p = tf.nn.softmax(logits, axis=-1)
        picked = tf.gather(logits, ids, axis=-1, batch_dims=ids.shape.rank)
        values = (tf.reduce_max(logits, axis=-1) - picked) - tf.math.log(tf.reduce_max(p, axis=-1))

        def gradient(upstream: Any) -> Any:
            slopes = p - tf.one_hot(ids, tf.shape(logits)[-1], dtype=logits.dtype)
            return tf.math.multiply_no_nan(slopes, tf.expand_dims(upstream, axis=-1))

        return values, gradient

    return guarded(logits)


def _sparse_values(ids: Any, predictions: Any, from_logits: bool, label_smoothing: float) -> Any:
    log_probabilities = _log_probabilities(predictions, from_logits)
    values = -tf.gather(log_probabilities, ids, axis=-1, batch_dims=ids.shape.rank)
    uniform = -tf.reduce_mean(log_probabilities, axis=-1)
    return (1.0 - label_smoothing) * values + label_smoothing * uniform if label_smoothing else values


def _log_probabilities(predictions: Any, from_logits: bool) -> Any:
    return tf.nn.log_softmax(predictions, axis=-1) if from_logits else log(predictions)


def _smooth(labels: Any, label_smoothing: float, num_classes: int | None) -> Any:
    if label_smoothing == 0.0:
        return labels
    count = tf.cast(tf.shape(labels)[-1], labels.dtype) if num_classes is None else float(num_classes)
    mass = tf.reduce_sum(labels, axis=-1, keepdims=True)
    return (1.0 - label_smoothing) * labels + label_smoothing * mass / count
