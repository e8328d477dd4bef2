"""Loss of the boxes of the second stage of Mask R-CNN, called with the outputs first, as in Model Garden.

```python
import tensorflow as tf
from assay.losses import FastrcnnBoxLoss

classes = tf.constant([[2, 0]])  # [batch, boxes]; 0 is background
FastrcnnBoxLoss(huber_loss_delta=1.0)(tf.zeros([1, 2, 3 * 4]), classes, tf.ones([1, 2, 4]))
```
"""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf
from assay.losses._flavour import serialisable
from assay.losses._labels import as_predictions, require_keys
from assay.losses._options import check_above_zero
from assay.losses._reduction import SUM_OVER_POSITIVES, hide
from assay.losses._replicas import GLOBAL
from assay.losses.boxes._huber import box_huber_loss
from assay.losses.detection._checks import check_ids, check_same_shape
from assay.losses.detection._positives import PositivesLoss


def fastrcnn_box_loss(
    box_outputs: Any,
    class_targets: Any,
    box_targets: Any = None,
    *,
    huber_loss_delta: float = 1.0,
    class_agnostic_bbox_pred: bool = False,
) -> Any:
    """Huber loss of the box of the true class, one value per box, for boxes that hold an object.

        value = box_huber_loss(box_targets, box of the true class), 0 for background

    `FastrcnnBoxLoss` divides the sum by the number of boxes that are not background.

    Args:
        box_outputs: `[batch, boxes, num_classes * 4]` float, or `[batch, boxes, 4]` when class-agnostic. Computed in
            float32, in float64 when they are float64.
        class_targets: Ids `[batch, boxes]`, 0 for background; or a dict of `class_targets` and `box_targets`.
        box_targets: Regression targets `[batch, boxes, 4]`. Labels receive no gradient.
        huber_loss_delta: Error from which on the loss is linear, > 0.
        class_agnostic_bbox_pred: Whether there is one box for all classes.

    Returns:
        `[batch, boxes]` float32 (or float64). NaN for an id out of range.

    Raises:
        ValueError: If shapes do not fit, something is missing, or an option is out of range.

    References:
        Girshick, "Fast R-CNN", 2015.
    """
    check_above_zero(huber_loss_delta, option="huber_loss_delta")
    sides = _sides(_labels(class_targets, box_targets), box_outputs, class_agnostic=class_agnostic_bbox_pred)
    return _values(*sides, delta=huber_loss_delta)


def _labels(class_targets: Any, box_targets: Any) -> Any:
    if isinstance(class_targets, Mapping):
        return class_targets
    return {"class_targets": class_targets, "box_targets": box_targets}


def _sides(labels: Any, box_outputs: Any, *, class_agnostic: bool) -> tuple[dict[str, Any], Any]:
    """Which boxes hold an object and their targets, beside the box of the true class."""
    require_keys("FastrcnnBoxLoss", labels, ("class_targets", "box_targets"))
    outputs = as_predictions(box_outputs)
    ids, targets = tf.convert_to_tensor(labels["class_targets"]), tf.convert_to_tensor(labels["box_targets"])
    check_ids("class_targets", ids, outputs.shape[:-1])
    ids = tf.cast(ids, tf.int32)
    if not class_agnostic:
        outputs = _of_class(outputs, ids)
    check_same_shape("FastrcnnBoxLoss", targets, outputs)
    return {"positive": ids > 0, "boxes": targets}, outputs


def _of_class(outputs: Any, ids: Any) -> Any:
    """The box `[batch, boxes, 4]` of each one's class, out of `[batch, boxes, num_classes * 4]`.

    Raises:
        ValueError: If the last axis is not a multiple of 4.
    """
    numbers = outputs.shape[-1]
    if numbers is None or numbers % 4 or outputs.shape.rank != 3:
        raise ValueError(f"`box_outputs` must be [batch, boxes, num_classes * 4]. Received shape {outputs.shape}.")
    shape = tf.shape(outputs)
    boxes = tf.reshape(outputs, [shape[0], shape[1], numbers // 4, 4])
    boxes = tf.gather(boxes, tf.clip_by_value(ids, 0, numbers // 4 - 1), axis=2, batch_dims=2)
    known = tf.logical_and(ids >= 0, ids < numbers // 4)[..., tf.newaxis]
    return tf.where(known, boxes, tf.constant(float("nan"), boxes.dtype))


def _values(labels: Mapping[str, Any], outputs: Any, *, delta: float) -> Any:
    targets, outputs = (hide(side, labels["positive"]) for side in (labels["boxes"], outputs))
    return hide(box_huber_loss(targets, outputs, delta=delta), labels["positive"])


@serialisable
class FastrcnnBoxLoss(PositivesLoss):
    """Huber loss of the box of the true class, for boxes that hold an object; see `fastrcnn_box_loss`.

    Called as `loss(box_outputs, class_targets, box_targets)`, or with a dict of the last two as second argument:
    `[batch, boxes, num_classes * 4]` (`[batch, boxes, 4]` when class-agnostic), ids `[batch, boxes]` of which 0 is
    background, and `[batch, boxes, 4]`. The unreduced loss has shape `[batch, boxes]`: the mean over the coordinates of
    the Huber loss, 0 for background.

    Normaliser: `sum_over_positives`, at least 1, over all replicas by default, at the cost of one exchange a call.

    Args:
        huber_loss_delta: Error from which on the loss is linear.
        class_agnostic_bbox_pred: Whether there is one box for all classes.
        reduction: "sum_over_positives", or as in other losses.
        normalisation: "global" counts over all replicas, "replica" on each alone.
        name: Name of the loss.

    Raises:
        ValueError: If an option is out of range; on a call, if shapes do not fit.

    References:
        Girshick, "Fast R-CNN", 2015.
    """

    huber_loss_delta: float
    class_agnostic_bbox_pred: bool

    def __init__(
        self,
        huber_loss_delta: float = 1.0,
        class_agnostic_bbox_pred: bool = False,
        *,
        reduction: str | None = SUM_OVER_POSITIVES,
        normalisation: str = GLOBAL,
        name: str = "fastrcnn_box_loss",
    ) -> None:
        check_above_zero(huber_loss_delta, option="huber_loss_delta")
        super().__init__(
            huber_loss_delta=float(huber_loss_delta),
            class_agnostic_bbox_pred=bool(class_agnostic_bbox_pred),
            reduction=reduction,
            normalisation=normalisation,
            name=name,
        )

    def __call__(  # type: ignore[override]
        self, box_outputs: Any, class_targets: Any, box_targets: Any = None, sample_weight: Any = None
    ) -> Any:
        """Compute the loss; `sample_weight` has the shape `[batch, boxes]` or `[batch]`."""
        return super().__call__(_labels(class_targets, box_targets), box_outputs, sample_weight)

    def prepare(self, y_true: Any, y_pred: Any) -> tuple[Any, Any]:
        """The box of the true class beside its targets."""
        return _sides(y_true, y_pred, class_agnostic=self.class_agnostic_bbox_pred)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The unreduced, unweighted loss: `[batch, boxes]`."""
        return _values(y_true, y_pred, delta=self.huber_loss_delta)
