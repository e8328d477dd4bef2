"""The loss of RetinaNet: classes, boxes and attributes of all anchors, divided by the number of positive ones.

```python
import tensorflow as tf
from assay.losses import RetinaNetLoss

labels = {
    "cls_targets": {"3": tf.constant([[[[2]], [[-1]]]])},  # [batch, height, width, anchors]; -1 is background
    "box_targets": {"3": tf.zeros([1, 2, 1, 4])},
    "cls_weights": tf.constant([[1.0, 1.0]]),
    "box_weights": tf.constant([[1.0, 0.0]]),
}
outputs = {"cls_outputs": {"3": tf.zeros([1, 2, 1, 3])}, "box_outputs": {"3": tf.zeros([1, 2, 1, 4])}}
loss = RetinaNetLoss(num_classes=3)
loss.components(labels, outputs)  # {"total_loss": ..., "cls_loss": ..., "box_loss": ...}
```
"""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf
from assay.losses._flavour import serialisable
from assay.losses._reduction import SUM_OVER_POSITIVES, compute_dtype
from assay.losses._replicas import GLOBAL
from assay.losses.detection._anchors import anchors, check_retinanet, components
from assay.losses.detection._positives import PositivesLoss


@serialisable
class RetinaNetLoss(PositivesLoss):
    """Focal loss of the classes plus Huber loss of the boxes, plus attributes, of every anchor.

    The value of an anchor, and the normaliser:

        value = cls_weight * focal + box_weight * (box_loss_weight * huber + attribute_loss_weight * attributes)
        loss = sum(value) / max(sum(box_weight), 1)

    where `focal` is the sum over the classes, `huber` the mean over the four coordinates, and `attributes` the sum over
    the attributes of the mean over their numbers: Huber with delta 1 for regression, sigmoid cross-entropy for
    classification. Model Garden divides by `sum(box_weight) + 1`; without that 1, a batch taken twice has the same
    loss.

    `y_true` is a dict of `cls_targets` (sparse ids, -1 for background; or one value per class), `box_targets`,
    `cls_weights` `[batch, anchors]` (0 takes an anchor out), `box_weights` `[batch, anchors]` (1 for positive anchors),
    and `attribute_targets` by name. `y_pred` is a dict of `cls_outputs` (logits), `box_outputs`, `attribute_outputs` by
    name. Each of them is a mapping of levels to `[batch, height, width, anchors_per_location * depth]`, as the heads
    and the labeler give them, or already flat, `[batch, anchors, depth]`, without the last axis for sparse ids. The
    unreduced loss has shape `[batch, anchors]`; `sample_weight` may be one number an image, `[batch]`. What else the
    dicts hold (`anchor_boxes`, `image_info`) is left alone.

    Normaliser: `sum_over_positives`, the positives of all replicas by default, at the cost of an exchange of one number
    a call: batches of one or two images differ a lot in them. Anchors and images of weight 0 are not counted.

    Args:
        num_classes: How many classes `cls_outputs` have.
        focal_loss_alpha: Weight of positive targets, see `SigmoidFocalLoss`.
        focal_loss_gamma: Focusing parameter >= 0.
        huber_loss_delta: Error of a box target from which on the loss is linear.
        box_loss_weight: Factor of the boxes.
        attributes: Name to "regression" or "classification"; empty for none.
        attribute_loss_weight: Factor of the attributes.
        reduction: "sum_over_positives", or as in other losses (which then count anchors).
        normalisation: "global" counts over all replicas, "replica" on each alone.
        name: Name of the loss.

    Raises:
        ValueError: If an option is out of range; on a call, if something is missing or shapes do not fit.

    References:
        Lin, Goyal, Girshick, He, Dollar, "Focal Loss for Dense Object Detection", 2017.
    """

    num_classes: int
    attributes: dict[str, str]

    def __init__(
        self,
        *,
        num_classes: int,
        focal_loss_alpha: float | None = 0.25,
        focal_loss_gamma: float = 1.5,
        huber_loss_delta: float = 0.1,
        box_loss_weight: float = 50.0,
        attributes: Mapping[str, str] | None = None,
        attribute_loss_weight: float = 1.0,
        reduction: str | None = SUM_OVER_POSITIVES,
        normalisation: str = GLOBAL,
        name: str = "retinanet_loss",
    ) -> None:
        factors = {"box_loss_weight": box_loss_weight, "attribute_loss_weight": attribute_loss_weight}
        check_retinanet(num_classes, focal_loss_alpha, focal_loss_gamma, huber_loss_delta, attributes, factors)
        super().__init__(
            num_classes=int(num_classes),
            focal_loss_alpha=None if focal_loss_alpha is None else float(focal_loss_alpha),
            focal_loss_gamma=float(focal_loss_gamma),
            huber_loss_delta=float(huber_loss_delta),
            box_loss_weight=float(box_loss_weight),
            attributes=dict(attributes or {}),
            attribute_loss_weight=float(attribute_loss_weight),
            reduction=reduction,
            normalisation=normalisation,
            name=name,
        )

    def components(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> dict[str, Any]:
        """The loss and its parts, each reduced as the loss is.

        Returns:
            `total_loss`, `cls_loss`, `box_loss` and one `<name>_loss` per attribute. The parts come without the factors
            `box_loss_weight` and `attribute_loss_weight`; the total has them.
        """
        y_true, y_pred, weights, valid, _ = self.masked(y_true, y_pred, sample_weight)
        return {
            key: self.reduce(values, y_true, y_pred, weights=weights, valid=valid)
            for key, values in self._components(y_true, y_pred).items()
        }

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The unreduced, unweighted loss: `[batch, anchors]`."""
        return self._components(y_true, y_pred)["total_loss"]

    def prepare(self, y_true: Any, y_pred: Any) -> tuple[Any, Any]:
        """All levels as one row of anchors."""
        return anchors(y_true, y_pred, num_classes=self.num_classes, attributes=self.attributes)

    def element_shape(self, y_pred: Any) -> Any:
        """Static shape `[batch, anchors]` of the unreduced loss."""
        return y_pred["cls_outputs"].shape[:-1]

    def count_positives(self, y_true: Any, y_pred: Any) -> Any:
        """The sum of the box weights."""
        return tf.reduce_sum(tf.cast(y_true["box_weights"], compute_dtype(y_pred["cls_outputs"])))

    def _components(self, y_true: Any, y_pred: Any) -> dict[str, Any]:
        options = self.options()
        del options["num_classes"]  # the outputs have been checked against it
        return components(y_true, y_pred, **options)
