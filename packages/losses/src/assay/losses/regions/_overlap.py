"""Dice and Tversky losses as plain functions, one value per image.

```python
import tensorflow as tf
from assay.losses import dice_loss

dice_loss(tf.constant([[0, 1, 1, 0]]), tf.constant([[[4.0, 0.0], [0.0, 4.0], [0.0, 4.0], [0.0, 4.0]]]))  # [0.25]
```
"""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
from assay.losses._options import check_not_negative
from assay.losses.regions._masks import check_options, masks, mean_over_classes, nan_where_unknown


def dice_loss(
    labels: Any,
    predictions: Any,
    *,
    smooth: float = 1.0,
    squared: bool = False,
    activation: str = "softmax",
    from_logits: bool = True,
    classes: str = "all",
    class_weights: Sequence[float] | None = None,
    ignore_label: int | None = None,
) -> Any:
    """One minus the Dice coefficient of each image, averaged over the classes.

    With true mask `t` and predicted probabilities `p` of a class, summed over the pixels of one image:

        value = 1 - (2 sum(t p) + smooth) / (sum(t) + sum(p) + smooth)
        value = 1 - (2 sum(t p) + smooth) / (sum(t**2) + sum(p**2) + smooth)         with `squared`

    computed as what is missing over the denominator, which does not cancel. It is bounded, so a prediction that is sure
    and wrong everywhere has a very small gradient. It is not zero: beyond a logit of 16 (of the difference to the
    largest for a softmax), a probability keeps value and gradient that it has there.

    Args:
        labels: Sparse ids `[batch, ...]`, or masks `[batch, ..., num_classes]` in [0, 1]. They receive no gradient.
        predictions: `[batch, ..., num_classes]` float, with at least one axis of pixels.
        smooth: Added to both, >= 0. A class that neither mask has scores 0 whatever it is.
        squared: The denominator of V-Net.
        activation: "softmax" or "sigmoid": what makes probabilities of logits.
        from_logits: Whether predictions are logits (the default) or probabilities.
        classes: "all", or "present" to average over those that occur in the labels of the image.
        class_weights: One factor per class for the average; 0 leaves out the background.
        ignore_label: Sparse id of pixels to leave out.

    Returns:
        `[batch]` float32 (float64 for float64 predictions), in [0, 1]. An image with an id out of range gives NaN.

    Raises:
        ValueError: If shapes do not fit or an option is out of range.

    References:
        Milletari, Navab, Ahmadi, "V-Net", 2016.
    """
    check_options(activation, classes)
    check_not_negative(smooth, option="smooth")
    true, found, _, known = masks(
        labels, predictions, activation=activation, from_logits=from_logits, ignore_label=ignore_label
    )
    if squared:
        missed = tf.reduce_sum(tf.square(true - found), axis=1)
        total = tf.reduce_sum(tf.square(true) + tf.square(found), axis=1)
    else:
        missed = tf.reduce_sum(true + found - 2.0 * true * found, axis=1)
        total = tf.reduce_sum(true + found, axis=1)
    values = tf.math.divide_no_nan(missed, total + smooth)
    return nan_where_unknown(mean_over_classes(values, true, classes=classes, class_weights=class_weights), known)


def tversky_loss(
    labels: Any,
    predictions: Any,
    *,
    alpha: float = 0.3,
    beta: float = 0.7,
    smooth: float = 1.0,
    activation: str = "softmax",
    from_logits: bool = True,
    classes: str = "all",
    class_weights: Sequence[float] | None = None,
    ignore_label: int | None = None,
) -> Any:
    """One minus the Tversky index of each image, averaged over the classes.

    With `tp = sum(t p)`, `fp = sum((1 - t) p)` and `fn = sum(t (1 - p))` of a class over the pixels of one image:

        value = 1 - (tp + smooth) / (tp + alpha fp + beta fn + smooth)

    0.5 and 0.5 give Dice (with half its `smooth`), 1 and 1 the Jaccard index. See `dice_loss` for what they share.

    Args:
        labels: Sparse ids `[batch, ...]`, or masks `[batch, ..., num_classes]` in [0, 1]. They receive no gradient.
        predictions: `[batch, ..., num_classes]` float, with at least one axis of pixels.
        alpha: Weight of false positives, >= 0.
        beta: Weight of false negatives, >= 0; above `alpha` it favours recall.
        smooth: Added to both, >= 0.
        activation: "softmax" or "sigmoid": what makes probabilities of logits.
        from_logits: Whether predictions are logits (the default) or probabilities.
        classes: "all", or "present" to average over those that occur in the labels of the image.
        class_weights: One factor per class for the average.
        ignore_label: Sparse id of pixels to leave out.

    Returns:
        `[batch]` float32 (float64 for float64 predictions), in [0, 1]. An image with an id out of range gives NaN.

    Raises:
        ValueError: If shapes do not fit or an option is out of range.

    References:
        Salehi, Erdogmus, Gholipour, "Tversky loss function for image segmentation", 2017.
    """
    check_options(activation, classes)
    check_not_negative(smooth, option="smooth")
    check_tversky(alpha, beta)
    true, found, _, known = masks(
        labels, predictions, activation=activation, from_logits=from_logits, ignore_label=ignore_label
    )
    both = tf.reduce_sum(true * found, axis=1)
    # Where a pixel is ignored both masks are 0, and so are the products.
    false_positives = tf.reduce_sum((1.0 - true) * found, axis=1)
    false_negatives = tf.reduce_sum(true * (1.0 - found), axis=1)
    missed = alpha * false_positives + beta * false_negatives
    values = tf.math.divide_no_nan(missed, both + missed + smooth)
    return nan_where_unknown(mean_over_classes(values, true, classes=classes, class_weights=class_weights), known)


def check_tversky(alpha: float, beta: float) -> None:
    """Refuse negative weights, and two that are 0."""
    check_not_negative(alpha, option="alpha")
    check_not_negative(beta, option="beta")
    if alpha + beta == 0.0:
        raise ValueError(f"`alpha` and `beta` must not both be 0. Received: {alpha!r} and {beta!r}.")
