"""Focal loss on sigmoids as a plain function, with its gradient in closed form.

```python
from assay.losses import sigmoid_focal_loss

sigmoid_focal_loss([[1.0, 0.0, 0.0]], [[2.0, -1.0, -3.0]])  # [0.0175]
```
"""

from collections.abc import Callable
from typing import Any

import tensorflow as tf
from assay.losses._cross_entropy import check_class_reduction, check_label_smoothing, in_range, kept_entries
from assay.losses._labels import align_labels, as_predictions
from assay.losses._options import check_not_negative
from assay.losses._probabilities import logit
from assay.losses._reduction import compute_dtype, hide
from assay.losses.focal._options import check_alpha, power

# Lin et al., section 4.1: the best of their grid.
ALPHA = 0.25
GAMMA = 2.0
# The smallest normal float32, about: its logarithm is finite on hardware that has no subnormal numbers.
TINIEST = 1.2e-38

Chooser = Callable[[float, float], Any]


def sigmoid_focal_loss(
    labels: Any,
    predictions: Any,
    *,
    alpha: float | None = ALPHA,
    gamma: float = GAMMA,
    from_logits: bool = True,
    label_smoothing: float = 0.0,
    ignore_label: int | None = None,
    background_label: int | None = None,
    class_reduction: str = "sum",
) -> Any:
    """Focal loss of one sigmoid per class, one value per element.

    With `p = sigmoid(logits)`, target `q`, smoothing `s` and `t = (1 - s) * q + s / 2`:

        wrong = t * (1 - p) + (1 - t) * p                               (1 - p_t in the paper)
        entry = (t * alpha + (1 - t) * (1 - alpha)) * wrong ** gamma * -(t * log(p) + (1 - t) * log(1 - p))
        value = sum over the classes of entry, or their mean (`class_reduction`)

    For targets of 0 and 1 that is the published loss. In between it is the form that is linear in `t` in each factor,
    as in Keras and torchvision. The gradient is written out, not traced: it is finite for every `gamma >= 0` at any
    finite logit, and no power of `wrong` below `gamma` occurs in it. Sparse ids cost
    least, a fifth less than floating-point targets.

    Args:
        labels: One value per class `[batch, ..., num_classes]`, where integers and booleans are 0 or 1; or sparse ids
            `[batch, ...]`. Labels receive no gradient.
        predictions: `[batch, ..., num_classes]` float, logits or probabilities. Computed in float32, in float64 when
            they are float64.
        alpha: Weight of targets of 1, and `1 - alpha` that of targets of 0. None weighs both with 1.
        gamma: Focusing parameter >= 0; 0 is cross-entropy.
        from_logits: Whether predictions are logits (the default) or probabilities. A probability nearer to 0 or 1 than
            1e-7 counts as 1e-7 away, and keeps the gradient that it has there.
        label_smoothing: `s` in [0, 1].
        ignore_label: Entries of the labels with this value, or elements with this sparse id, have value 0 and
            gradient 0.
        background_label: Sparse id of elements that belong to no class (an anchor without an object): all targets 0.
        class_reduction: "sum" (as published) or "mean" over the classes.

    Returns:
        `[batch, ...]` float32 (or float64). A sparse id outside `[0, num_classes)` that is neither ignored nor
        background gives NaN.

    Raises:
        ValueError: If shapes do not fit or an option is out of range.

    References:
        Lin, Goyal, Girshick, He, Dollar, "Focal Loss for Dense Object Detection", 2017.
    """
    check_alpha(alpha)
    check_not_negative(gamma, option="gamma")
    check_label_smoothing(label_smoothing)
    check_class_reduction(class_reduction)
    predictions = as_predictions(predictions)
    labels, sparse = align_labels(labels, predictions)
    labels = tf.stop_gradient(labels)
    dtype = compute_dtype(predictions)
    keep = kept_entries(labels, predictions, sparse=sparse, ignore_label=ignore_label)
    logits = tf.cast(predictions, dtype)
    if keep is not None:
        logits = hide(logits, keep)
        labels = labels if sparse else hide(labels, keep)
    if not from_logits:
        logits = logit(logits)
    known = None
    if sparse:
        labels, known = _ids(labels, predictions, ignore_label, background_label)
    if label_smoothing or (labels.dtype.is_floating and not sparse):
        targets = _chooser(labels, logits, sparse=sparse)(1.0, 0.0) if sparse else tf.cast(labels, dtype)
        if label_smoothing:
            targets = (1.0 - label_smoothing) * targets + 0.5 * label_smoothing
        values = _soft(targets, logits, alpha, gamma, keep)
    else:
        values = _hard(_chooser(labels, logits, sparse=sparse), logits, alpha, gamma, keep)
    if class_reduction == "mean":
        counted = tf.ones_like(logits) if keep is None else tf.cast(keep, dtype)
        values = tf.math.divide_no_nan(values, tf.reduce_sum(counted, axis=-1))
    return values if known is None else tf.where(known, values, tf.constant(float("nan"), dtype))


def _ids(ids: Any, predictions: Any, ignore_label: int | None, background_label: int | None) -> tuple[Any, Any]:
    """Sparse ids with -1 for elements without a class, and which ids mean something."""
    known = in_range(ids, predictions)
    for label in (ignore_label, background_label):
        if label is not None:
            named = tf.equal(ids, tf.cast(label, ids.dtype))
            known = tf.logical_or(known, named)
            ids = tf.where(named, tf.constant(-1, ids.dtype), ids)
    return ids, known


def _chooser(labels: Any, logits: Any, *, sparse: bool) -> Chooser:
    """A function `(on, off)` that gives one number for targets of 1 and another for targets of 0."""

    def choose(on: float, off: float) -> Any:
        on, off = tf.constant(on, logits.dtype), tf.constant(off, logits.dtype)
        if sparse:
            return tf.one_hot(labels, tf.shape(logits)[-1], on_value=on, off_value=off)
        return tf.where(tf.cast(labels, tf.bool), on, off)

    return choose


def _hard(choose: Chooser, logits: Any, alpha: float | None, gamma: float, keep: Any) -> Any:
    """Sum over the classes for targets of 0 and 1.

    With `m` the logit towards the wrong side, an entry is `sigmoid(m)**g * softplus(m)`; its derivative is `wrong**g *
    (g * (1 - wrong) * softplus(m) + wrong)`.
    """
    of_one, of_zero = (1.0, 1.0) if alpha is None else (alpha, 1.0 - alpha)

    @tf.custom_gradient
    def summed(logits: Any) -> Any:
        margin = logits * choose(-1.0, 1.0)
        wrong = tf.sigmoid(margin)
        loss = _softplus(margin, wrong, gamma)
        focus = power(wrong, gamma)
        entries = focus * loss
        if alpha is not None:
            entries *= choose(of_one, of_zero)

        def gradient(upstream: Any) -> Any:
            slope = ((gamma - gamma * wrong) * loss + wrong) * focus if gamma else wrong
            return _scaled(slope * choose(-of_one, of_zero), upstream, keep)

        return _summed(entries, keep), gradient

    return summed(logits)


def _soft(targets: Any, logits: Any, alpha: float | None, gamma: float, keep: Any) -> Any:
    """Sum over the classes for any targets in [0, 1].

    The derivative of `wrong` is `(1 - 2 t) p (1 - p)`. It is never larger than twice `wrong`, so their ratio stays
    finite, also where both are 0.
    """

    @tf.custom_gradient
    def summed(logits: Any) -> Any:
        p = tf.sigmoid(logits)
        if gamma >= 1.0:
            # Where the two nearly cancel, `wrong` is small and hides what is left of the rounding.
            loss = _softplus(logits, p, gamma) - targets * logits
        else:
            loss = tf.nn.sigmoid_cross_entropy_with_logits(labels=targets, logits=logits)
        turn = 1.0 - 2.0 * targets
        wrong = p * turn + targets
        weighted = power(wrong, gamma)
        if alpha is not None:
            weighted *= (2.0 * alpha - 1.0) * targets + (1.0 - alpha)

        def gradient(upstream: Any) -> Any:
            slope = p - targets
            if gamma:
                turning = tf.raw_ops.SigmoidGrad(y=p, dy=gamma * turn)  # gamma (1 - 2 t) p (1 - p) in one pass
                slope += tf.math.divide_no_nan(turning, wrong) * loss
            return _scaled(slope * weighted, upstream, keep)

        return _summed(weighted * loss, keep), gradient

    return summed(logits)


def _softplus(logits: Any, probabilities: Any, gamma: float) -> Any:
    """`log(1 + exp(logits))`, from their sigmoid where that is at hand and precise enough.

    TensorFlow's kernel takes four times as long on a CPU as a logarithm. What the logarithm loses is the relative
    precision of values below 1e-6, which a factor `wrong ** gamma` makes smaller still.
    """
    if gamma < 1.0:
        return tf.nn.softplus(logits)
    return tf.nn.relu(logits - tf.math.log(tf.maximum(probabilities, TINIEST)))


def _summed(entries: Any, keep: Any) -> Any:
    return tf.reduce_sum(entries if keep is None else hide(entries, keep), axis=-1)


def _scaled(slopes: Any, upstream: Any, keep: Any) -> Any:
    """The slope of each entry times the gradient of its element."""
    gradient = slopes * tf.expand_dims(upstream, axis=-1)
    return gradient if keep is None else hide(gradient, keep)
