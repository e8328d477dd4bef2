"""Learning how good a predicted mask is: the intersection over union of each class, and its squared error.

```python
import tensorflow as tf
from assay.losses import MaskScoringLoss

logits, labels = tf.random.normal([2, 8, 8, 3]), tf.zeros([2, 8, 8], tf.int32)
MaskScoringLoss()({"logits": logits, "labels": labels}, tf.fill([2, 3], 0.5))
```
"""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf
from assay.losses._flavour import serialisable
from assay.losses._function_loss import FunctionLoss
from assay.losses._labels import as_predictions, require_keys
from assay.losses._options import optional_int
from assay.losses._reduction import SUM_OVER_BATCH_SIZE, compute_dtype
from assay.losses._replicas import GLOBAL
from assay.losses.segmentation._pixels import fitted, valid_pixels


def mask_scores(labels: Any, logits: Any, *, ignore_label: int | None = 255) -> tuple[Any, Any]:
    """Intersection over union of the predicted and the true mask of each class, for every image.

    Args:
        labels: `[batch, height, width]` ids (or with a last axis of 1); resized to the logits, the nearest.
        logits: `[batch, h, w, num_classes]`; the predicted class is that of the largest. No gradient flows.
        ignore_label: Id of pixels to leave out; None for none.

    Returns:
        `[batch, num_classes]` float32 in [0, 1], and a boolean `[batch, num_classes]`: false where neither mask has a
        pixel, so that the score (given as 0) is undefined.

    Raises:
        ValueError: If shapes do not fit.
    """
    labels, logits = fitted(labels, tf.stop_gradient(logits), use_groundtruth_dimension=False)
    depth = tf.shape(logits)[-1]
    true = tf.one_hot(tf.cast(labels[..., 0], tf.int32), depth, on_value=True, off_value=False, dtype=tf.bool)
    found = tf.one_hot(tf.argmax(logits, axis=-1), depth, on_value=True, off_value=False, dtype=tf.bool)
    valid = valid_pixels(labels, ignore_label)
    if valid is not None:
        true, found = (tf.logical_and(mask, valid[..., tf.newaxis]) for mask in (true, found))
    intersection = _pixels(tf.logical_and(true, found))
    union = _pixels(tf.logical_or(true, found))
    return tf.math.divide_no_nan(intersection, union), union > 0.0


def _pixels(masks: Any) -> Any:
    return tf.reduce_sum(tf.cast(masks, tf.float32), axis=[1, 2])


def mask_scoring_loss(labels: Mapping[str, Any], scores: Any, *, ignore_label: int | None = 255) -> Any:
    """Squared error of predicted mask scores, one value per image.

    With `iou` from `mask_scores`:

        value = mean over the classes that occur in an image of (scores - iou) ** 2, 0 where none occurs

    Args:
        labels: A dict of `labels` `[batch, height, width]` and of the `logits` `[batch, h, w, num_classes]` that are
            scored. They receive no gradient.
        scores: `[batch, num_classes]` float, the predicted scores. Computed in float32, in float64 when they are
            float64.
        ignore_label: Id of pixels to leave out; None for none.

    Returns:
        `[batch]` float32 (or float64). A class that neither the labels nor the logits show does not count.

    Raises:
        ValueError: If shapes do not fit, or `labels` lacks a key.

    References:
        Huang et al., "Mask Scoring R-CNN", 2019.
    """
    return _squared_errors(*_scored(labels, scores, ignore_label))


def _scored(labels: Mapping[str, Any], scores: Any, ignore_label: int | None) -> tuple[dict[str, Any], Any]:
    """The true scores and which are defined, beside the predicted ones."""
    require_keys("The loss of mask scores", labels, ("labels", "logits"))
    scores = as_predictions(scores)
    targets, defined = mask_scores(labels["labels"], labels["logits"], ignore_label=ignore_label)
    if not targets.shape.is_compatible_with(scores.shape):
        raise ValueError(
            f"Predicted scores must have shape [batch, num_classes], {targets.shape} for these logits. Received "
            f"shape {scores.shape}."
        )
    return {"scores": targets, "defined": defined}, scores


def _squared_errors(targets: Mapping[str, Any], scores: Any) -> Any:
    dtype = compute_dtype(scores)
    defined = tf.cast(targets["defined"], dtype)
    errors = tf.square(tf.cast(scores, dtype) - tf.cast(targets["scores"], dtype)) * defined
    return tf.math.divide_no_nan(tf.reduce_sum(errors, axis=-1), tf.reduce_sum(defined, axis=-1))


@serialisable
class MaskScoringLoss(FunctionLoss):
    """Squared error of predicted mask scores: how well a network knows the quality of its own masks.

    `y_true` is a dict of `labels` `[batch, height, width]` and of the `logits` `[batch, h, w, num_classes]` that are
    scored; `y_pred` the predicted scores `[batch, num_classes]`. See `mask_scoring_loss` for the formula.

    The unreduced loss has shape `[batch]`. A class that neither the labels nor the logits show has no score and does
    not count. Normaliser: the number of images; one in which all pixels are ignored does not count.

    Args:
        ignore_label: Id of pixels to leave out; None for none.
        reduction: "sum_over_batch_size", "mean_with_sample_weight", "sum" or "none".
        normalisation: "global" counts images over all replicas, "replica" on each alone.
        name: Name of the loss.

    Raises:
        ValueError: On a call, if shapes do not fit.

    References:
        Huang et al., "Mask Scoring R-CNN", 2019.
    """

    ignore_label: int | None

    def __init__(
        self,
        *,
        ignore_label: int | None = 255,
        reduction: str | None = SUM_OVER_BATCH_SIZE,
        normalisation: str = GLOBAL,
        name: str = "mask_scoring_loss",
    ) -> None:
        super().__init__(
            ignore_label=optional_int(ignore_label), reduction=reduction, normalisation=normalisation, name=name
        )

    def prepare(self, y_true: Any, y_pred: Any) -> tuple[Any, Any]:
        """The true scores and which are defined, beside the predicted ones."""
        return _scored(y_true, y_pred, self.ignore_label)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The unreduced, unweighted loss: `[batch]`."""
        return _squared_errors(y_true, y_pred)

    def valid_elements(self, y_true: Any, y_pred: Any) -> Any:
        """Images with a class that occurs."""
        del y_pred
        return None if self.ignore_label is None else tf.reduce_any(y_true["defined"], axis=-1)
