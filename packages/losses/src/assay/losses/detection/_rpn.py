"""Losses of the region proposal network of Mask R-CNN, called with the outputs first, as in Model Garden.

```python
import tensorflow as tf
from assay.losses import RpnScoreLoss

scores, labels = {"3": tf.zeros([2, 4, 4, 3])}, {"3": tf.ones([2, 4, 4, 3], tf.int32)}
RpnScoreLoss(rpn_batch_size_per_im=256)(scores, labels)
```
"""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf
from assay.losses._flavour import serialisable
from assay.losses._labels import as_predictions
from assay.losses._reduction import SUM_OVER_BATCH_SIZE, SUM_OVER_POSITIVES, align_weights, compute_dtype, hide
from assay.losses._replicas import GLOBAL
from assay.losses._weighted_loss import WeightedLoss
from assay.losses.boxes._huber import check_delta, huber
from assay.losses.detection._levels import levels_in_order, multi_level_flatten
from assay.losses.detection._positives import PositivesLoss, check_same_shape

# A box target with all four numbers below this belongs to no object.
SMALLEST_TARGET = 1e-6


@serialisable
class RpnScoreLoss(WeightedLoss):
    """Sigmoid cross-entropy of the objectness of the sampled anchors.

    Called as `loss(score_outputs, labels)`, both by level: logits `[batch, height, width, anchors]`, and 1 for
    positive, 0 for negative anchors, anything else (-1) for those that were not sampled.

        value = sum over the sampled anchors of all levels of the cross-entropy / rpn_batch_size_per_im

    The unreduced loss has shape `[batch]`. Normaliser: the number of images; how many anchors an image has is a
    constant.

    Args:
        rpn_batch_size_per_im: How many anchors are sampled for each image.
        reduction: "sum_over_batch_size", "mean_with_sample_weight", "sum" or "none".
        normalisation: "global" adds weights up over all replicas, "replica" on each alone.
        name: Name of the loss.

    Raises:
        ValueError: If an option is out of range; on a call, if levels or shapes do not fit.

    References:
        Ren et al., "Faster R-CNN", 2015. He et al., "Mask R-CNN", 2017.
    """

    def __init__(
        self,
        rpn_batch_size_per_im: int = 256,
        *,
        reduction: str | None = SUM_OVER_BATCH_SIZE,
        normalisation: str = GLOBAL,
        name: str = "rpn_score_loss",
    ) -> None:
        super().__init__(reduction=reduction, normalisation=normalisation, name=name)
        if rpn_batch_size_per_im < 1:
            raise ValueError(f"`rpn_batch_size_per_im` must be at least 1. Received: {rpn_batch_size_per_im!r}.")
        self.rpn_batch_size_per_im = int(rpn_batch_size_per_im)

    def __call__(self, score_outputs: Mapping[Any, Any], labels: Mapping[Any, Any], sample_weight: Any = None) -> Any:
        """Compute the loss; weights are one per image."""
        return super().__call__(labels, score_outputs, sample_weight)

    def prepare(self, y_true: Any, y_pred: Any) -> tuple[Any, Any]:
        """All levels as one row of anchors."""
        check_levels(y_true, y_pred)
        labels, scores = multi_level_flatten(y_true), as_predictions(multi_level_flatten(y_pred))
        check_same_shape(type(self).__name__, labels, scores)
        return labels, scores

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The unreduced, unweighted loss: `[batch]`."""
        dtype = compute_dtype(y_pred)
        positive = tf.equal(y_true, tf.ones([], y_true.dtype))
        sampled = tf.logical_or(positive, tf.equal(y_true, tf.zeros([], y_true.dtype)))
        logits = hide(tf.cast(y_pred, dtype), sampled)
        values = tf.nn.sigmoid_cross_entropy_with_logits(labels=tf.cast(positive, dtype), logits=logits)
        return tf.reduce_sum(hide(values, sampled), axis=-1) / float(self.rpn_batch_size_per_im)

    def element_shape(self, y_pred: Any) -> Any:
        """Static shape `[batch]` of the unreduced loss."""
        return y_pred.shape[:1]

    def get_config(self) -> dict[str, Any]:
        """Every constructor argument, as JSON values."""
        return {**super().get_config(), "rpn_batch_size_per_im": self.rpn_batch_size_per_im}


@serialisable
class RpnBoxLoss(PositivesLoss):
    """Huber loss of the boxes of the positive anchors, level by level.

    Called as `loss(box_outputs, labels)`, both by level `[batch, height, width, anchors * 4]`. An anchor is positive
    when one of its four targets is not 0. The unreduced loss has shape `[batch, levels]`, lowest level first:

        value = sum over the positive anchors of a level of the mean of the Huber loss of their coordinates
        loss = sum over the levels of sum(value) / max(positives of the level, 1)

    Normaliser: `sum_over_positives` counts each level's positives over all replicas, at the cost of one exchange a
    call. (Model Garden adds 0.01 to four times that number, here it is at least 1.)

    Args:
        huber_loss_delta: Error from which on the loss is linear; about the mean of the targets.
        reduction: "sum_over_positives", or as in other losses.
        normalisation: "global" counts over all replicas, "replica" on each alone.
        name: Name of the loss.

    Raises:
        ValueError: If an option is out of range; on a call, if levels or shapes do not fit.

    References:
        Ren et al., "Faster R-CNN", 2015. He et al., "Mask R-CNN", 2017.
    """

    def __init__(
        self,
        huber_loss_delta: float = 1.0 / 9.0,
        *,
        reduction: str | None = SUM_OVER_POSITIVES,
        normalisation: str = GLOBAL,
        name: str = "rpn_box_loss",
    ) -> None:
        super().__init__(reduction=reduction, normalisation=normalisation, name=name)
        check_delta(huber_loss_delta)
        self.huber_loss_delta = float(huber_loss_delta)

    def __call__(self, box_outputs: Mapping[Any, Any], labels: Mapping[Any, Any], sample_weight: Any = None) -> Any:
        """Compute the loss; weights are one per image, or per image and level."""
        return super().__call__(labels, box_outputs, sample_weight)

    def prepare(self, y_true: Any, y_pred: Any) -> tuple[Any, Any]:
        """Each level as a row of anchors, in a list."""
        check_levels(y_true, y_pred)
        targets, outputs = (
            [multi_level_flatten({level: side[level]}, 4) for level in levels_in_order(y_pred)]
            for side in (y_true, y_pred)
        )
        for target, output in zip(targets, outputs, strict=True):
            check_same_shape(type(self).__name__, target, output)
        return targets, [as_predictions(output) for output in outputs]

    def masked(self, y_true: Any, y_pred: Any, sample_weight: Any) -> tuple[Any, Any, Any, Any, Any]:
        """With weights per image and level, each level is hidden by its own."""
        targets, outputs = self.prepare(y_true, y_pred)
        weights = keep = None
        if sample_weight is not None:
            weights = align_weights(tf.convert_to_tensor(sample_weight), self.element_shape(outputs))
            keep = tf.broadcast_to(tf.not_equal(weights, tf.zeros([], weights.dtype)), self._shape(outputs))
            targets, outputs = (
                [hide(level, keep[:, number]) for number, level in enumerate(side)] for side in (targets, outputs)
            )
        return targets, outputs, weights, None, keep

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The unreduced, unweighted loss: `[batch, levels]`."""
        return tf.stack([self._level(*pair) for pair in zip(y_true, y_pred, strict=True)], axis=-1)

    def element_shape(self, y_pred: Any) -> Any:
        """Static shape `[batch, levels]` of the unreduced loss."""
        return tf.TensorShape([y_pred[0].shape[0], len(y_pred)])

    def count_positives(self, y_true: Any, y_pred: Any) -> Any:
        """The positive anchors of each level."""
        del y_pred
        return tf.stack([tf.reduce_sum(tf.cast(_positive(targets), tf.float32)) for targets in y_true])

    def get_config(self) -> dict[str, Any]:
        """Every constructor argument, as JSON values."""
        return {**super().get_config(), "huber_loss_delta": self.huber_loss_delta}

    def _level(self, targets: Any, outputs: Any) -> Any:
        dtype, positive = compute_dtype(outputs), _positive(targets)
        targets, outputs = (hide(tf.cast(side, dtype), positive) for side in (targets, outputs))
        values = tf.reduce_mean(huber(tf.stop_gradient(targets), outputs, self.huber_loss_delta), axis=-1)
        return tf.reduce_sum(hide(values, positive), axis=-1)

    def _shape(self, outputs: Any) -> Any:
        return tf.stack([tf.shape(outputs[0])[0], len(outputs)])


def check_levels(labels: Mapping[Any, Any], outputs: Mapping[Any, Any]) -> None:
    """Refuse labels that lack a level of the outputs.

    Raises:
        ValueError: If one is missing, or there is none.
    """
    missing = [level for level in outputs if level not in labels]
    if missing or not outputs:
        raise ValueError(f"Outputs have the levels {list(outputs)}, and labels {list(labels)}. Missing: {missing}.")


def _positive(targets: Any) -> Any:
    return tf.reduce_any(tf.abs(targets) > tf.cast(SMALLEST_TARGET, targets.dtype), axis=-1)
