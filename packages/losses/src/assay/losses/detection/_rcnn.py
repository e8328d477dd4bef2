"""Losses of the second stage of Mask R-CNN, called with the outputs first, as in Model Garden.

```python
import tensorflow as tf
from assay.losses import FastrcnnBoxLoss, FastrcnnClassLoss, MaskrcnnLoss

classes = tf.constant([[2, 0]])  # [batch, boxes]; 0 is background
FastrcnnClassLoss()(tf.zeros([1, 2, 3]), classes)
FastrcnnBoxLoss(huber_loss_delta=1.0)(tf.zeros([1, 2, 3 * 4]), classes, tf.ones([1, 2, 4]))
MaskrcnnLoss()(tf.zeros([1, 2, 7, 7]), tf.ones([1, 2, 7, 7]), classes)
```
"""

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf
from assay.losses._cross_entropy import sigmoid_cross_entropy, softmax_cross_entropy
from assay.losses._flavour import serialisable
from assay.losses._labels import as_predictions
from assay.losses._reduction import SUM_OVER_BATCH_SIZE, SUM_OVER_POSITIVES, compute_dtype, hide
from assay.losses._replicas import GLOBAL
from assay.losses._weighted_loss import WeightedLoss
from assay.losses.boxes._huber import box_huber_loss, check_delta
from assay.losses.detection._positives import PositivesLoss, check_same_shape
from assay.losses.segmentation._mining import mean_of_hardest


@serialisable
class FastrcnnClassLoss(WeightedLoss):
    """Cross-entropy of the class of each box, background (0) included.

    Called as `loss(class_outputs, class_targets)`: logits `[batch, boxes, num_classes]` and ids `[batch, boxes]`. The
    unreduced loss has shape `[batch, boxes]`: softmax cross-entropy, or the mean over the classes of a sigmoid
    cross-entropy. With `top_k_percent` below 1 the value of an image is the mean over its own hardest boxes, and the
    shape is `[batch]`. Normaliser: the number of boxes, or of images.

    Args:
        use_binary_cross_entropy: A sigmoid per class instead of a softmax.
        top_k_percent: Share of an image's boxes that are kept, in (0, 1].
        class_weights: One factor per class. It can be given with the call as well, as in Model Garden.
        reduction: "sum_over_batch_size", "mean_with_sample_weight", "sum" or "none".
        normalisation: "global" adds weights up over all replicas, "replica" on each alone.
        name: Name of the loss.

    Raises:
        ValueError: If an option is out of range; on a call, if shapes do not fit.

    References:
        Girshick, "Fast R-CNN", 2015.
    """

    def __init__(
        self,
        use_binary_cross_entropy: bool = False,
        top_k_percent: float = 1.0,
        *,
        class_weights: Sequence[float] | None = None,
        reduction: str | None = SUM_OVER_BATCH_SIZE,
        normalisation: str = GLOBAL,
        name: str = "fastrcnn_class_loss",
    ) -> None:
        super().__init__(reduction=reduction, normalisation=normalisation, name=name)
        if not 0.0 < top_k_percent <= 1.0:
            raise ValueError(f"`top_k_percent` is a fraction in (0, 1]. Received: {top_k_percent!r}.")
        self.use_binary_cross_entropy = bool(use_binary_cross_entropy)
        self.top_k_percent = float(top_k_percent)
        self.class_weights = None if class_weights is None else [float(weight) for weight in class_weights]

    def __call__(  # type: ignore[override]
        self, class_outputs: Any, class_targets: Any, class_weights: Any = None, sample_weight: Any = None
    ) -> Any:
        """Compute the loss; `sample_weight` has the shape `[batch, boxes]` or `[batch]`."""
        if class_weights is not None:
            other = type(self).from_config({**self.get_config(), "class_weights": list(class_weights)})
            return other(class_outputs, class_targets, sample_weight=sample_weight)
        return super().__call__(class_targets, class_outputs, sample_weight)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The unreduced, unweighted loss: `[batch, boxes]`, or `[batch]` when boxes are mined."""
        cross_entropy = sigmoid_cross_entropy if self.use_binary_cross_entropy else softmax_cross_entropy
        values = cross_entropy(y_true, y_pred, class_weights=self.class_weights)
        return values if self.top_k_percent == 1.0 else mean_of_hardest(values, None, share=self.top_k_percent)

    def element_shape(self, y_pred: Any) -> Any:
        """Static shape of the unreduced loss."""
        if y_pred.shape.rank != 3:
            raise ValueError(f"`class_outputs` must be [batch, boxes, num_classes]. Received shape {y_pred.shape}.")
        return y_pred.shape[:-1] if self.top_k_percent == 1.0 else y_pred.shape[:1]

    def get_config(self) -> dict[str, Any]:
        """Every constructor argument, as JSON values."""
        own = {"use_binary_cross_entropy": self.use_binary_cross_entropy, "top_k_percent": self.top_k_percent}
        return {**super().get_config(), **own, "class_weights": self.class_weights}


@serialisable
class FastrcnnBoxLoss(PositivesLoss):
    """Huber loss of the box of the true class, for boxes that hold an object.

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

    def __init__(
        self,
        huber_loss_delta: float = 1.0,
        class_agnostic_bbox_pred: bool = False,
        *,
        reduction: str | None = SUM_OVER_POSITIVES,
        normalisation: str = GLOBAL,
        name: str = "fastrcnn_box_loss",
    ) -> None:
        super().__init__(reduction=reduction, normalisation=normalisation, name=name)
        check_delta(huber_loss_delta)
        self.huber_loss_delta = float(huber_loss_delta)
        self.class_agnostic_bbox_pred = bool(class_agnostic_bbox_pred)

    def __call__(  # type: ignore[override]
        self, box_outputs: Any, class_targets: Any, box_targets: Any = None, sample_weight: Any = None
    ) -> Any:
        """Compute the loss; `sample_weight` has the shape `[batch, boxes]` or `[batch]`."""
        labels = class_targets
        if not isinstance(class_targets, Mapping):
            labels = {"class_targets": class_targets, "box_targets": box_targets}
        return super().__call__(labels, box_outputs, sample_weight)

    def prepare(self, y_true: Any, y_pred: Any) -> tuple[Any, Any]:
        """The box of the true class beside its targets."""
        outputs = as_predictions(y_pred)
        ids, targets = tf.convert_to_tensor(y_true["class_targets"]), tf.convert_to_tensor(y_true["box_targets"])
        ids = tf.cast(ids, tf.int32)
        positive = ids > 0
        if not self.class_agnostic_bbox_pred:
            outputs = _of_class(outputs, ids)
        check_same_shape(type(self).__name__, targets, outputs)
        return {"positive": positive, "boxes": targets}, outputs

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The unreduced, unweighted loss: `[batch, boxes]`."""
        boxes = (hide(side, y_true["positive"]) for side in (y_true["boxes"], y_pred))
        return hide(box_huber_loss(*boxes, delta=self.huber_loss_delta), y_true["positive"])

    def get_config(self) -> dict[str, Any]:
        """Every constructor argument, as JSON values."""
        own = {"huber_loss_delta": self.huber_loss_delta, "class_agnostic_bbox_pred": self.class_agnostic_bbox_pred}
        return {**super().get_config(), **own}


@serialisable
class MaskrcnnLoss(PositivesLoss):
    """Sigmoid cross-entropy of the pixels of the masks of boxes that hold an object.

    Called as `loss(mask_outputs, mask_targets, select_class_targets)`, or with a dict of the last two as second
    argument: logits and 0 or 1 `[batch, masks, height, width]`, and ids `[batch, masks]` of which 0 is background. The
    unreduced loss has shape `[batch, masks]`: the mean over the pixels, 0 for background.

    Normaliser: `sum_over_positives`, at least 1, over all replicas by default, at the cost of one exchange a call.

    Args:
        reduction: "sum_over_positives", or as in other losses.
        normalisation: "global" counts over all replicas, "replica" on each alone.
        name: Name of the loss.

    Raises:
        ValueError: On a call, if shapes do not fit.

    References:
        He et al., "Mask R-CNN", 2017.
    """

    def __init__(
        self,
        *,
        reduction: str | None = SUM_OVER_POSITIVES,
        normalisation: str = GLOBAL,
        name: str = "maskrcnn_loss",
    ) -> None:
        super().__init__(reduction=reduction, normalisation=normalisation, name=name)

    def __call__(  # type: ignore[override]
        self, mask_outputs: Any, mask_targets: Any, select_class_targets: Any = None, sample_weight: Any = None
    ) -> Any:
        """Compute the loss; `sample_weight` has the shape `[batch, masks]` or `[batch]`."""
        labels = mask_targets
        if not isinstance(mask_targets, Mapping):
            labels = {"mask_targets": mask_targets, "select_class_targets": select_class_targets}
        return super().__call__(labels, mask_outputs, sample_weight)

    def prepare(self, y_true: Any, y_pred: Any) -> tuple[Any, Any]:
        """Targets and which masks are positive."""
        outputs, targets = as_predictions(y_pred), tf.convert_to_tensor(y_true["mask_targets"])
        check_same_shape(type(self).__name__, targets, outputs)
        ids = tf.convert_to_tensor(y_true["select_class_targets"])
        return {"positive": ids > tf.zeros([], ids.dtype), "masks": targets}, outputs

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The unreduced, unweighted loss: `[batch, masks]`."""
        dtype, positive = compute_dtype(y_pred), y_true["positive"]
        targets, logits = (hide(tf.cast(side, dtype), positive) for side in (y_true["masks"], y_pred))
        pixels = tf.nn.sigmoid_cross_entropy_with_logits(labels=tf.stop_gradient(targets), logits=logits)
        return hide(tf.reduce_mean(pixels, axis=[2, 3]), positive)

    def element_shape(self, y_pred: Any) -> Any:
        """Static shape `[batch, masks]` of the unreduced loss."""
        return y_pred.shape[:2]


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
