"""The loss of every anchor of RetinaNet as plain functions: classes, boxes and attributes.

```python
import tensorflow as tf
from assay.losses import retinanet_components

labels = {
    "cls_targets": tf.constant([[2, -1]]),  # [batch, anchors]; -1 is background
    "box_targets": tf.zeros([1, 2, 4]),
    "cls_weights": tf.constant([[1.0, 1.0]]),
    "box_weights": tf.constant([[1.0, 0.0]]),
}
outputs = {"cls_outputs": tf.zeros([1, 2, 3]), "box_outputs": tf.zeros([1, 2, 4])}
parts = retinanet_components(labels, outputs, num_classes=3)
tf.reduce_sum(parts["cls_loss"]) / tf.maximum(tf.reduce_sum(labels["box_weights"]), 1.0)
```
"""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf
from assay.losses._cross_entropy import sigmoid_cross_entropy
from assay.losses._labels import as_predictions, require_keys
from assay.losses._options import check_above_zero, check_not_negative, whole
from assay.losses._reduction import compute_dtype, hide
from assay.losses.boxes._huber import box_huber_loss, huber
from assay.losses.detection._levels import flattened
from assay.losses.focal._options import check_alpha
from assay.losses.focal._sigmoid import sigmoid_focal_loss

LABELS = ("cls_targets", "box_targets", "cls_weights", "box_weights")
OUTPUTS = ("cls_outputs", "box_outputs")
BACKGROUND = -1
ATTRIBUTE_TYPES = ("regression", "classification")
# Attributes in Model Garden: Huber's delta of regressed ones.
ATTRIBUTE_DELTA = 1.0


def retinanet_components(
    labels: Mapping[str, Any],
    outputs: Mapping[str, Any],
    *,
    num_classes: int,
    focal_loss_alpha: float | None = 0.25,
    focal_loss_gamma: float = 1.5,
    huber_loss_delta: float = 0.1,
    box_loss_weight: float = 50.0,
    attributes: Mapping[str, str] | None = None,
    attribute_loss_weight: float = 1.0,
) -> dict[str, Any]:
    """The loss of every anchor and its parts, weighted by the weights of the labels and divided by nothing.

        cls_loss = cls_weight * focal
        box_loss = box_weight * huber
        <name>_loss = box_weight * mean over the numbers of an attribute of its loss
        total_loss = cls_loss + box_loss_weight * box_loss + attribute_loss_weight * sum of the attributes' losses

    where `focal` is the sum over the classes of `sigmoid_focal_loss`, `huber` is `box_huber_loss`, and the loss of an
    attribute is Huber's with delta 1 for regression and sigmoid cross-entropy for classification. The paper divides
    their sums by the number of positive anchors, `max(sum(box_weight), 1)`; `RetinaNetLoss` does, over all replicas.

    Args:
        labels: `cls_targets` (sparse ids, -1 for background; or one value per class), `box_targets`, `cls_weights` and
            `box_weights` `[batch, anchors]` (1 for positive anchors), and `attribute_targets` by name. They receive no
            gradient. What stands where a weight is 0 may be anything.
        outputs: `cls_outputs` (logits), `box_outputs`, and `attribute_outputs` by name. Labels and outputs but the
            weights are mappings of levels to `[batch, height, width, anchors_per_location * depth]`, or flat, `[batch,
            anchors, depth]`, without the last axis for sparse ids. Computed in float32, in float64 when they are
            float64.
        num_classes: How many classes `cls_outputs` have.
        focal_loss_alpha: Weight of positive targets, see `sigmoid_focal_loss`.
        focal_loss_gamma: Focusing parameter >= 0.
        huber_loss_delta: Error of a box target from which on the loss is linear.
        box_loss_weight: Factor of the boxes in the total.
        attributes: Name to "regression" or "classification"; None for none.
        attribute_loss_weight: Factor of the attributes in the total.

    Returns:
        `total_loss`, `cls_loss`, `box_loss` and one `<name>_loss` per attribute, each `[batch, anchors]` float32 (or
        float64).

    Raises:
        ValueError: If an option is out of range, something is missing or shapes do not fit.

    References:
        Lin, Goyal, Girshick, He, Dollar, "Focal Loss for Dense Object Detection", 2017.
    """
    factors = {"box_loss_weight": box_loss_weight, "attribute_loss_weight": attribute_loss_weight}
    check_retinanet(num_classes, focal_loss_alpha, focal_loss_gamma, huber_loss_delta, attributes, factors)
    targets, predictions = anchors(labels, outputs, num_classes=num_classes, attributes=attributes)
    return components(
        targets,
        predictions,
        focal_loss_alpha=focal_loss_alpha,
        focal_loss_gamma=focal_loss_gamma,
        huber_loss_delta=huber_loss_delta,
        box_loss_weight=box_loss_weight,
        attributes=attributes,
        attribute_loss_weight=attribute_loss_weight,
    )


def retinanet_loss(labels: Mapping[str, Any], outputs: Mapping[str, Any], *, num_classes: int, **options: Any) -> Any:
    """The `total_loss` of `retinanet_components`, which see for the formula and the options: `[batch, anchors]`."""
    return retinanet_components(labels, outputs, num_classes=num_classes, **options)["total_loss"]


def check_retinanet(
    num_classes: int,
    alpha: float | None,
    gamma: float,
    delta: float,
    attributes: Mapping[str, str] | None,
    factors: Mapping[str, float],
) -> None:
    """Refuse options that are out of range; `factors` are those of the parts, by their name."""
    for option, factor in factors.items():
        check_not_negative(factor, option=option)
    check_alpha(alpha)
    check_not_negative(gamma, option="focal_loss_gamma")
    check_above_zero(delta, option="huber_loss_delta")
    if whole(num_classes, option="num_classes") < 1:
        raise ValueError(f"`num_classes` must be at least 1. Received: {num_classes!r}.")
    for attribute, kind in (attributes or {}).items():
        if kind not in ATTRIBUTE_TYPES:
            raise ValueError(f"Attribute {attribute!r} must be one of {ATTRIBUTE_TYPES}. Received: {kind!r}.")


def anchors(labels: Any, outputs: Any, *, num_classes: int, attributes: Mapping[str, str] | None) -> tuple[Any, Any]:
    """Labels and outputs with all levels as one row of anchors; attributes under the key `attributes`."""
    require_keys("The labels of RetinaNetLoss", labels, (*LABELS, *(["attribute_targets"] if attributes else [])))
    require_keys("The outputs of RetinaNetLoss", outputs, (*OUTPUTS, *(["attribute_outputs"] if attributes else [])))
    targets = {
        "cls_targets": flattened(labels["cls_targets"]),
        "box_targets": flattened(labels["box_targets"], 4),
        "cls_weights": tf.convert_to_tensor(labels["cls_weights"]),
        "box_weights": tf.convert_to_tensor(labels["box_weights"]),
        "attributes": {},
    }
    predictions = {
        "cls_outputs": as_predictions(flattened(outputs["cls_outputs"], num_classes)),
        "box_outputs": as_predictions(flattened(outputs["box_outputs"], 4)),
        "attributes": {},
    }
    logits = predictions["cls_outputs"]
    if logits.shape[-1] != num_classes:
        raise ValueError(
            f"`cls_outputs` must have {num_classes} classes (`num_classes`) in the last axis. Received shape "
            f"{logits.shape}."
        )
    if attributes:
        require_keys("`attribute_targets`", labels["attribute_targets"], tuple(attributes))
        require_keys("`attribute_outputs`", outputs["attribute_outputs"], tuple(attributes))
    for name in attributes or {}:
        output = outputs["attribute_outputs"][name]
        size = _size(output, logits)
        targets["attributes"][name] = flattened(labels["attribute_targets"][name], size)
        predictions["attributes"][name] = as_predictions(flattened(output, size))
    return targets, predictions


def components(
    targets: Mapping[str, Any],
    outputs: Mapping[str, Any],
    *,
    focal_loss_alpha: float | None,
    focal_loss_gamma: float,
    huber_loss_delta: float,
    box_loss_weight: float,
    attributes: Mapping[str, str] | None,
    attribute_loss_weight: float,
) -> dict[str, Any]:
    """`retinanet_components` of labels and outputs that `anchors` made."""
    focal = sigmoid_focal_loss(
        _kept(targets["cls_targets"], targets["cls_weights"]),
        _kept(outputs["cls_outputs"], targets["cls_weights"]),
        alpha=focal_loss_alpha,
        gamma=focal_loss_gamma,
        background_label=BACKGROUND,
    )
    weights = targets["box_weights"]
    boxes = _kept(targets["box_targets"], weights), _kept(outputs["box_outputs"], weights)
    parts = {
        "cls_loss": _weighted(focal, targets["cls_weights"]),
        "box_loss": _weighted(box_huber_loss(*boxes, delta=huber_loss_delta), weights),
    }
    total = parts["cls_loss"] + box_loss_weight * parts["box_loss"]
    for name, kind in (attributes or {}).items():
        target, output = (_kept(side["attributes"][name], weights) for side in (targets, outputs))
        parts[f"{name}_loss"] = _weighted(_of_attribute(target, output, kind), weights)
        total += attribute_loss_weight * parts[f"{name}_loss"]
    return {"total_loss": total, **parts}


def _of_attribute(targets: Any, outputs: Any, kind: str) -> Any:
    if kind == "classification":
        return sigmoid_cross_entropy(targets, outputs)
    dtype = compute_dtype(outputs)
    targets, outputs = tf.stop_gradient(tf.cast(targets, dtype)), tf.cast(outputs, dtype)
    return tf.reduce_mean(huber(targets, outputs, ATTRIBUTE_DELTA), axis=-1)


def _size(output: Any, logits: Any) -> int | None:
    """How many numbers an attribute has, from the outputs of all levels."""
    if not isinstance(output, Mapping):
        return None
    numbers = sum(tf.convert_to_tensor(level).shape[1:].num_elements() or 0 for level in output.values())
    count = logits.shape[1]
    if not count or not numbers or numbers % count:
        raise ValueError(
            f"The outputs of an attribute have {numbers} numbers an image, for {count} anchors; both must be "
            "known, and the first a multiple of the second."
        )
    return int(numbers // count)


def _kept(tensor: Any, weights: Any) -> Any:
    """The tensor with zeros where the weight is 0: what stands there may be anything."""
    return hide(tensor, tf.not_equal(weights, tf.zeros([], weights.dtype)))


def _weighted(values: Any, weights: Any) -> Any:
    weights = tf.stop_gradient(tf.cast(weights, values.dtype))
    return tf.where(tf.not_equal(weights, 0.0), values * weights, tf.zeros([], values.dtype))
