"""The Lovász extension of the Jaccard loss as a plain function, one value per image.

```python
import tensorflow as tf
from assay.losses import lovasz_softmax_loss

lovasz_softmax_loss(tf.constant([[0, 1, 1, 0]]), tf.constant([[[4.0, 0.0], [0.0, 4.0], [0.0, 4.0], [0.0, 4.0]]]))
```
"""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
from assay.losses.regions._masks import check_options, masks, mean_over_classes, nan_where_unknown


def lovasz_softmax_loss(
    labels: Any,
    predictions: Any,
    *,
    from_logits: bool = True,
    classes: str = "present",
    class_weights: Sequence[float] | None = None,
    ignore_label: int | None = None,
) -> Any:
    """The Lovász extension of one minus the Jaccard index, of each image, averaged over the classes.

    For a class, let `e` be the error of each pixel (`1 - p` inside the true mask, `p` outside), sorted from the
    largest, and `J(k)` the Jaccard loss of a prediction that is wrong in just the first `k` of them:

        value = sum_k e[k] * (J(k) - J(k - 1))

    It equals the Jaccard loss where probabilities are 0 or 1. The cost is one sort of the pixels per image and class.
    What saturated logits do is said in `dice_loss`.

    Args:
        labels: Sparse ids `[batch, ...]`, or one-hot masks `[batch, ..., num_classes]`. They receive no gradient.
        predictions: `[batch, ..., num_classes]` float, with at least one axis of pixels.
        from_logits: Whether predictions are logits (the default) or probabilities.
        classes: "present" (as published) to average over those that occur in the labels of the image, or "all".
        class_weights: One factor per class for the average.
        ignore_label: Sparse id of pixels to leave out.

    Returns:
        `[batch]` float32 (float64 for float64 predictions), in [0, 1]. An image with an id out of range gives NaN.

    Raises:
        ValueError: If shapes do not fit or an option is out of range.

    References:
        Berman, Rannen Triki, Blaschko, "The Lovász-Softmax loss", 2018.
    """
    check_options("softmax", classes)
    true, found, _, known = masks(
        labels, predictions, activation="softmax", from_logits=from_logits, ignore_label=ignore_label
    )
    # An ignored pixel has an error of 0: it comes last, behind all that count.
    errors = tf.transpose(tf.abs(true - found), [0, 2, 1])
    order = tf.argsort(tf.stop_gradient(errors), axis=-1, direction="DESCENDING", stable=True)
    ranked = tf.gather(errors, order, axis=-1, batch_dims=2)
    inside = tf.gather(tf.transpose(true, [0, 2, 1]), order, axis=-1, batch_dims=2)
    total = tf.reduce_sum(inside, axis=-1, keepdims=True)
    missed = tf.cumsum(inside, axis=-1)
    union = total + tf.cumsum(1.0 - inside, axis=-1)
    jaccard = 1.0 - tf.math.divide_no_nan(total - missed, union)
    before = tf.concat([tf.zeros_like(jaccard[..., :1]), jaccard[..., :-1]], axis=-1)
    values = tf.reduce_sum(ranked * tf.stop_gradient(jaccard - before), axis=-1)
    return nan_where_unknown(mean_over_classes(values, true, classes=classes, class_weights=class_weights), known)
