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
from assay.losses._cross_entropy import sigmoid_cross_entropy
from assay.losses._flavour import serialisable
from assay.losses._labels import as_predictions
from assay.losses._reduction import REDUCTIONS, SUM_OVER_POSITIVES, compute_dtype, hide
from assay.losses._replicas import GLOBAL
from assay.losses._weighted_loss import WeightedLoss
from assay.losses.boxes._huber import box_huber_loss, check_delta, huber
from assay.losses.detection._levels import flattened
from assay.losses.focal._options import check_alpha, check_gamma
from assay.losses.focal._sigmoid import sigmoid_focal_loss

BACKGROUND = -1
ATTRIBUTE_TYPES = ("regression", "classification")
# Attributes in Model Garden: Huber's delta of regressed ones.
ATTRIBUTE_DELTA = 1.0


@serialisable
class RetinaNetLoss(WeightedLoss):
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

    reductions = (SUM_OVER_POSITIVES, *REDUCTIONS)

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
        super().__init__(reduction=reduction, normalisation=normalisation, name=name)
        check_alpha(focal_loss_alpha)
        check_gamma(focal_loss_gamma)
        check_delta(huber_loss_delta)
        if num_classes < 1:
            raise ValueError(f"`num_classes` must be at least 1. Received: {num_classes!r}.")
        for attribute, kind in (attributes or {}).items():
            if kind not in ATTRIBUTE_TYPES:
                raise ValueError(f"Attribute {attribute!r} must be one of {ATTRIBUTE_TYPES}. Received: {kind!r}.")
        self.num_classes = int(num_classes)
        self.focal_loss_alpha = None if focal_loss_alpha is None else float(focal_loss_alpha)
        self.focal_loss_gamma = float(focal_loss_gamma)
        self.huber_loss_delta = float(huber_loss_delta)
        self.box_loss_weight = float(box_loss_weight)
        self.attributes = dict(attributes or {})
        self.attribute_loss_weight = float(attribute_loss_weight)

    def components(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> dict[str, Any]:
        """The loss and its parts, each reduced as the loss is.

        Returns:
            `total_loss`, `cls_loss`, `box_loss` and one `<name>_loss` per attribute. The parts come without the factors
            `box_loss_weight` and `attribute_loss_weight`; the total has them.
        """
        y_true, y_pred, weights, valid, _ = self.masked(y_true, y_pred, sample_weight)
        parts = self._parts(y_true, y_pred)
        return {
            key: self.reduce(values, y_true, y_pred, weights=weights, valid=valid)
            for key, values in {"total_loss": self._total(parts), **parts}.items()
        }

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The unreduced, unweighted loss: `[batch, anchors]`."""
        return self._total(self._parts(y_true, y_pred))

    def prepare(self, y_true: Any, y_pred: Any) -> tuple[Any, Any]:
        """All levels as one row of anchors."""
        missing = [
            key
            for side, keys in (
                (y_true, ("cls_targets", "box_targets", "cls_weights", "box_weights")),
                (y_pred, ("cls_outputs", "box_outputs")),
            )
            for key in keys
            if key not in side
        ]
        if missing:
            raise ValueError(
                f"{type(self).__name__} needs {', '.join(missing)}. Received labels {sorted(y_true)} and outputs "
                f"{sorted(y_pred)}."
            )
        targets = {
            "cls_targets": flattened(y_true["cls_targets"]),
            "box_targets": flattened(y_true["box_targets"], 4),
            "cls_weights": tf.convert_to_tensor(y_true["cls_weights"]),
            "box_weights": tf.convert_to_tensor(y_true["box_weights"]),
            "attributes": {},
        }
        outputs = {
            "cls_outputs": as_predictions(flattened(y_pred["cls_outputs"], self.num_classes)),
            "box_outputs": as_predictions(flattened(y_pred["box_outputs"], 4)),
            "attributes": {},
        }
        if outputs["cls_outputs"].shape[-1] != self.num_classes:
            raise ValueError(
                f"`cls_outputs` must have {self.num_classes} classes (`num_classes`) in the last axis. Received shape "
                f"{outputs['cls_outputs'].shape}."
            )
        for name in self.attributes:
            output = y_pred["attribute_outputs"][name]
            size = self._size(output, outputs["cls_outputs"])
            targets["attributes"][name] = flattened(y_true["attribute_targets"][name], size)
            outputs["attributes"][name] = as_predictions(flattened(output, size))
        return targets, outputs

    def element_shape(self, y_pred: Any) -> Any:
        """Static shape `[batch, anchors]` of the unreduced loss."""
        return y_pred["cls_outputs"].shape[:-1]

    def count_positives(self, y_true: Any, y_pred: Any) -> Any:
        """The sum of the box weights."""
        return tf.reduce_sum(tf.cast(y_true["box_weights"], compute_dtype(y_pred["cls_outputs"])))

    def get_config(self) -> dict[str, Any]:
        """Every constructor argument, as JSON values."""
        return {
            **super().get_config(),
            "num_classes": self.num_classes,
            "focal_loss_alpha": self.focal_loss_alpha,
            "focal_loss_gamma": self.focal_loss_gamma,
            "huber_loss_delta": self.huber_loss_delta,
            "box_loss_weight": self.box_loss_weight,
            "attributes": dict(self.attributes),
            "attribute_loss_weight": self.attribute_loss_weight,
        }

    def _parts(self, y_true: Any, y_pred: Any) -> dict[str, Any]:
        """The values `[batch, anchors]` of each part, weighted by the weights of the labels."""
        logits = y_pred["cls_outputs"]
        focal = sigmoid_focal_loss(
            _kept(y_true["cls_targets"], y_true["cls_weights"]),
            _kept(logits, y_true["cls_weights"]),
            alpha=self.focal_loss_alpha,
            gamma=self.focal_loss_gamma,
            background_label=BACKGROUND,
        )
        parts = {"cls_loss": _weighted(focal, y_true["cls_weights"])}
        weights = y_true["box_weights"]
        boxes = _kept(y_true["box_targets"], weights), _kept(y_pred["box_outputs"], weights)
        parts["box_loss"] = _weighted(box_huber_loss(*boxes, delta=self.huber_loss_delta), weights)
        for name, kind in self.attributes.items():
            targets, outputs = (_kept(side["attributes"][name], weights) for side in (y_true, y_pred))
            if kind == "classification":
                values = sigmoid_cross_entropy(targets, outputs)
            else:
                dtype = compute_dtype(outputs)
                targets, outputs = tf.stop_gradient(tf.cast(targets, dtype)), tf.cast(outputs, dtype)
                values = tf.reduce_mean(huber(targets, outputs, ATTRIBUTE_DELTA), axis=-1)
            parts[f"{name}_loss"] = _weighted(values, weights)
        return parts

    def _total(self, parts: Mapping[str, Any]) -> Any:
        total = parts["cls_loss"] + self.box_loss_weight * parts["box_loss"]
        for name in self.attributes:
            total += self.attribute_loss_weight * parts[f"{name}_loss"]
        return total

    def _size(self, output: Any, logits: Any) -> int | None:
        """How many numbers an attribute has, from the outputs of all levels."""
        if not isinstance(output, Mapping):
            return None
        numbers = sum(tf.convert_to_tensor(level).shape[1:].num_elements() or 0 for level in output.values())
        anchors = logits.shape[1]
        if not anchors or not numbers or numbers % anchors:
            raise ValueError(
                f"The outputs of an attribute have {numbers} numbers an image, for {anchors} anchors; both must be "
                "known, and the first a multiple of the second."
            )
        return int(numbers // anchors)


def _kept(tensor: Any, weights: Any) -> Any:
    """The tensor with zeros where the weight is 0: what stands there may be anything."""
    return hide(tensor, tf.not_equal(weights, tf.zeros([], weights.dtype)))


def _weighted(values: Any, weights: Any) -> Any:
    weights = tf.stop_gradient(tf.cast(weights, values.dtype))
    return tf.where(tf.not_equal(weights, 0.0), values * weights, tf.zeros([], values.dtype))
