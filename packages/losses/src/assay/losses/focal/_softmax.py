"""Focal loss on a softmax as a plain function.

```python
from assay.losses import softmax_focal_loss

softmax_focal_loss([0, 2], [[2.0, 0.1, -1.0], [0.3, 0.2, 0.1]], gamma=2.0)  # [0.0061, 0.5844]
```
"""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
from assay.losses._cross_entropy import check_label_smoothing, class_weight_tensor, in_range
from assay.losses._labels import align_labels, as_predictions
from assay.losses._options import check_not_negative
from assay.losses._probabilities import log
from assay.losses._reduction import compute_dtype, hide
from assay.losses.focal._options import factor_or_factors, power

# A surprise beyond this is computed as this in the derivative, where exp(-surprise) has long become 0.
LARGEST_SURPRISE = 1e4


def softmax_focal_loss(
    labels: Any,
    predictions: Any,
    *,
    gamma: float = 2.0,
    alpha: float | Sequence[float] | None = None,
    from_logits: bool = True,
    label_smoothing: float = 0.0,
    ignore_label: int | None = None,
) -> Any:
    """Focal loss of a softmax over exclusive classes, one value per element.

    With `p = softmax(logits)`, target `q`, smoothing `s` over `C` classes and `t = (1 - s) * q + s / C * sum(q)`:

        value = sum_k alpha[k] * t[k] * (1 - p[k]) ** gamma * -log(p[k])

    Each factor is computed from the surprise `-log(p[k])`, and its derivative is written out, so that the gradient is
    finite for every `gamma >= 0` at any logit.

    Args:
        labels: Sparse ids `[batch, ...]` (or `[batch, ..., 1]`); or one value per class `[batch, ..., num_classes]`.
            Labels receive no gradient.
        predictions: `[batch, ..., num_classes]` float, logits or probabilities. Computed in float32, in float64 when
            they are float64.
        gamma: Focusing parameter >= 0; 0 is cross-entropy.
        alpha: None, one factor for all classes, or one factor per class.
        from_logits: Whether predictions are logits (the default) or probabilities. A probability below 1e-7 counts as
            1e-7 in the value and keeps the gradient of 1e-7.
        label_smoothing: `s` in [0, 1].
        ignore_label: Sparse id whose elements have value 0 and gradient 0.

    Returns:
        `[batch, ...]` float32 (or float64). A sparse id outside `[0, num_classes)` that is not ignored gives NaN.

    Raises:
        ValueError: If shapes do not fit, an option is out of range, or `ignore_label` is given and labels are not
            sparse.

    References:
        Lin, Goyal, Girshick, He, Dollar, "Focal Loss for Dense Object Detection", 2017.
        Mukhoti et al., "Calibrating Deep Neural Networks using Focal Loss" (the multi-class form), 2020.
    """
    check_not_negative(gamma, option="gamma")
    check_label_smoothing(label_smoothing)
    predictions = as_predictions(predictions)
    labels, sparse = align_labels(labels, predictions)
    labels = tf.stop_gradient(labels)
    dtype = compute_dtype(predictions)
    alpha = factor_or_factors(alpha)
    factors = None
    if isinstance(alpha, list):
        factors = class_weight_tensor(alpha, predictions.shape[-1], dtype, option="alpha")
    if ignore_label is not None and not sparse:
        raise ValueError(
            f"`ignore_label` ({ignore_label}) names a sparse id, but labels have one value per class "
            f"({labels.shape}). Pass sparse ids, or a `sample_weight` of 0 for what shall be ignored."
        )
    keep = known = None
    if sparse:
        if ignore_label is not None:
            keep = tf.not_equal(labels, tf.cast(ignore_label, labels.dtype))
            labels, predictions = hide(labels, keep), hide(predictions, keep)
        known = in_range(labels, predictions)
        labels = hide(labels, known)
    surprise = _surprise(tf.cast(predictions, dtype), from_logits)
    if sparse and not label_smoothing:
        values = _modulated(tf.gather(surprise, labels, axis=-1, batch_dims=labels.shape.rank), gamma)
        if factors is not None:
            values *= tf.gather(factors, labels)
    else:
        targets = tf.one_hot(labels, tf.shape(predictions)[-1], dtype=dtype) if sparse else tf.cast(labels, dtype)
        if label_smoothing:
            share = tf.reduce_mean(targets, axis=-1, keepdims=True)
            targets = (1.0 - label_smoothing) * targets + label_smoothing * share
        if factors is not None:
            targets *= factors
        # A class of weight 0 may have a logit of -inf: it was masked out of the softmax on purpose.
        values = tf.reduce_sum(tf.math.multiply_no_nan(_modulated(surprise, gamma), targets), axis=-1)
    if factors is None and alpha is not None:
        values *= tf.cast(alpha, dtype)
    if known is not None:
        values = tf.where(known, values, tf.constant(float("nan"), dtype))
    return values if keep is None else hide(values, keep)


def _surprise(predictions: Any, from_logits: bool) -> Any:
    """`-log(p)`, never below 0."""
    return tf.maximum(-tf.nn.log_softmax(predictions, axis=-1), 0.0) if from_logits else -log(predictions)


def _modulated(surprise: Any, gamma: float) -> Any:
    """`(1 - exp(-u)) ** gamma * u` of a surprise `u >= 0`, with its derivative in a form that stays finite at 0."""
    if not gamma:
        return surprise

    @tf.custom_gradient
    def modulated(surprise: Any) -> Any:
        wrong = -tf.math.expm1(-surprise)
        focus = power(wrong, gamma)

        def gradient(upstream: Any) -> Any:
            # u exp(-u) / (1 - exp(-u)) is 1 at 0.
            limited = tf.minimum(surprise, LARGEST_SURPRISE)
            ratio = tf.where(wrong > 0.0, tf.math.divide_no_nan(limited, wrong), tf.ones_like(wrong))
            return tf.math.multiply_no_nan(focus * (1.0 + gamma * ratio * (1.0 - wrong)), upstream)

        return focus * surprise, gradient

    return modulated(surprise)
