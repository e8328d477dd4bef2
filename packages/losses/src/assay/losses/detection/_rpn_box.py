"""Loss of the boxes of anchors, called with the outputs first, as in Model Garden.

```python
import tensorflow as tf
from assay.losses import RpnBoxLoss

boxes, targets = {"3": tf.zeros([2, 4, 4, 3 * 4])}, {"3": tf.ones([2, 4, 4, 3 * 4])}
RpnBoxLoss(huber_loss_delta=1.0 / 9.0)(boxes, targets)
```
"""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf
from assay.losses._flavour import serialisable
from assay.losses._labels import as_predictions
from assay.losses._options import check_above_zero
from assay.losses._reduction import SUM_OVER_POSITIVES, align_weights, compute_dtype, hide
from assay.losses._replicas import GLOBAL
from assay.losses.boxes._huber import huber
from assay.losses.detection._checks import check_levels, check_same_shape
from assay.losses.detection._levels import levels_in_order, multi_level_flatten
from assay.losses.detection._positives import PositivesLoss

# The mean of the regression targets in the configuration that was published.
DELTA = 1.0 / 9.0
# A box target with all four numbers below this belongs to no object.
SMALLEST_TARGET = 1e-6


def rpn_box_loss(box_outputs: Mapping[Any, Any], labels: Mapping[Any, Any], *, huber_loss_delta: float = DELTA) -> Any:
    """Huber loss of the boxes of the positive anchors, one value per image and level.

    An anchor is positive when one of its four targets is not 0. With `huber` from `box_huber_loss`:

        value = sum over the positive anchors of a level of huber(targets, outputs)

    `RpnBoxLoss` divides each level's values by the number of its positives.

    Args:
        box_outputs: By level, each `[batch, height, width, anchors * 4]` float. Computed in float32, in float64 when
            they are float64.
        labels: Regression targets by level, of the same shapes. They receive no gradient.
        huber_loss_delta: Error from which on the loss is linear, > 0; about the mean of the targets.

    Returns:
        `[batch, levels]` float32 (or float64), lowest level first.

    Raises:
        ValueError: If levels or shapes do not fit, or the option is out of range.

    References:
        Ren et al., "Faster R-CNN", 2015. He et al., "Mask R-CNN", 2017.
    """
    check_above_zero(huber_loss_delta, option="huber_loss_delta")
    return _values(*_rows(labels, box_outputs), huber_loss_delta=huber_loss_delta)


def _rows(labels: Mapping[Any, Any], boxes: Mapping[Any, Any]) -> tuple[list[Any], list[Any]]:
    """Each level as a row of anchors `[batch, anchors, 4]`, in a list, labels first."""
    check_levels("RpnBoxLoss", labels, boxes)
    targets, outputs = (
        [multi_level_flatten({level: side[level]}, 4) for level in levels_in_order(boxes)] for side in (labels, boxes)
    )
    for target, output in zip(targets, outputs, strict=True):
        check_same_shape("RpnBoxLoss", target, output)
    return targets, [as_predictions(output) for output in outputs]


def _values(targets: list[Any], outputs: list[Any], *, huber_loss_delta: float) -> Any:
    return tf.stack(
        [_of_level(*level, huber_loss_delta) for level in zip(targets, outputs, strict=True)],
        axis=-1,
    )


def _of_level(targets: Any, outputs: Any, delta: float) -> Any:
    dtype, positive = compute_dtype(outputs), _positive(targets)
    targets, outputs = (hide(tf.cast(side, dtype), positive) for side in (targets, outputs))
    values = tf.reduce_mean(huber(tf.stop_gradient(targets), outputs, delta), axis=-1)
    return tf.reduce_sum(hide(values, positive), axis=-1)


def _positive(targets: Any) -> Any:
    return tf.reduce_any(tf.abs(targets) > tf.cast(SMALLEST_TARGET, targets.dtype), axis=-1)


@serialisable
class RpnBoxLoss(PositivesLoss):
    """Huber loss of the boxes of the positive anchors, level by level; see `rpn_box_loss` for the values.

    Called as `loss(box_outputs, labels)`, both by level `[batch, height, width, anchors * 4]`. The unreduced loss has
    shape `[batch, levels]`, lowest level first:

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

    function = staticmethod(_values)

    def __init__(
        self,
        huber_loss_delta: float = DELTA,
        *,
        reduction: str | None = SUM_OVER_POSITIVES,
        normalisation: str = GLOBAL,
        name: str = "rpn_box_loss",
    ) -> None:
        check_above_zero(huber_loss_delta, option="huber_loss_delta")
        super().__init__(
            huber_loss_delta=float(huber_loss_delta), reduction=reduction, normalisation=normalisation, name=name
        )

    def __call__(self, box_outputs: Mapping[Any, Any], labels: Mapping[Any, Any], sample_weight: Any = None) -> Any:
        """Compute the loss; weights are one per image, or per image and level."""
        return super().__call__(labels, box_outputs, sample_weight)

    def prepare(self, y_true: Any, y_pred: Any) -> tuple[Any, Any]:
        """Each level as a row of anchors, in a list."""
        return _rows(y_true, y_pred)

    def masked(self, y_true: Any, y_pred: Any, sample_weight: Any) -> tuple[Any, Any, Any, Any, Any]:
        """With weights per image and level, each level is hidden by its own."""
        targets, outputs = self.prepare(y_true, y_pred)
        weights = keep = None
        if sample_weight is not None:
            weights = align_weights(tf.convert_to_tensor(sample_weight), self.element_shape(outputs))
            shape = tf.stack([tf.shape(outputs[0])[0], len(outputs)])
            keep = tf.broadcast_to(tf.not_equal(weights, tf.zeros([], weights.dtype)), shape)
            targets, outputs = (
                [hide(level, keep[:, number]) for number, level in enumerate(side)] for side in (targets, outputs)
            )
        return targets, outputs, weights, None, keep

    def element_shape(self, y_pred: Any) -> Any:
        """Static shape `[batch, levels]` of the unreduced loss."""
        return tf.TensorShape([y_pred[0].shape[0], len(y_pred)])

    def count_positives(self, y_true: Any, y_pred: Any) -> Any:
        """The positive anchors of each level."""
        del y_pred
        return tf.stack([tf.reduce_sum(tf.cast(_positive(targets), tf.float32)) for targets in y_true])
