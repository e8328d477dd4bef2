"""Loss of the masks of Mask R-CNN, called with the outputs first, as in Model Garden.

```python
import tensorflow as tf
from assay.losses import MaskrcnnLoss

classes = tf.constant([[2, 0]])  # [batch, masks]; 0 is background
MaskrcnnLoss()(tf.zeros([1, 2, 7, 7]), tf.ones([1, 2, 7, 7]), classes)
```
"""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf
from assay.losses._flavour import serialisable
from assay.losses._labels import as_predictions, require_keys
from assay.losses._reduction import SUM_OVER_POSITIVES, compute_dtype, hide
from assay.losses._replicas import GLOBAL
from assay.losses.detection._checks import check_ids, check_same_shape
from assay.losses.detection._positives import PositivesLoss


def maskrcnn_loss(mask_outputs: Any, mask_targets: Any, select_class_targets: Any = None) -> Any:
    """Sigmoid cross-entropy of the pixels of masks, one value per mask, for masks of boxes that hold an object.

    With logit `z` and target `t` of a pixel:

        value = mean over the pixels of log(1 + exp(z)) - t z, 0 for background

    `MaskrcnnLoss` divides the sum by the number of masks that are not background.

    Args:
        mask_outputs: Logits `[batch, masks, height, width]` float. Computed in float32, in float64 when they are
            float64.
        mask_targets: 0 or 1, of the same shape; or a dict of `mask_targets` and `select_class_targets`.
        select_class_targets: Ids `[batch, masks]`, 0 for background. Labels receive no gradient.

    Returns:
        `[batch, masks]` float32 (or float64).

    Raises:
        ValueError: If shapes do not fit or something is missing.

    References:
        He et al., "Mask R-CNN", 2017.
    """
    return _values(*_sides(_labels(mask_targets, select_class_targets), mask_outputs))


def _labels(mask_targets: Any, select_class_targets: Any) -> Any:
    if isinstance(mask_targets, Mapping):
        return mask_targets
    return {"mask_targets": mask_targets, "select_class_targets": select_class_targets}


def _sides(labels: Any, mask_outputs: Any) -> tuple[dict[str, Any], Any]:
    """Targets and which masks are positive, beside the outputs."""
    require_keys("MaskrcnnLoss", labels, ("mask_targets", "select_class_targets"))
    outputs, targets = as_predictions(mask_outputs), tf.convert_to_tensor(labels["mask_targets"])
    if outputs.shape.rank != 4:
        raise ValueError(f"`mask_outputs` must be [batch, masks, height, width]. Received shape {outputs.shape}.")
    check_same_shape("MaskrcnnLoss", targets, outputs)
    ids = tf.convert_to_tensor(labels["select_class_targets"])
    check_ids("select_class_targets", ids, outputs.shape[:2])
    return {"positive": ids > tf.zeros([], ids.dtype), "masks": targets}, outputs


def _values(labels: Mapping[str, Any], outputs: Any) -> Any:
    dtype, positive = compute_dtype(outputs), labels["positive"]
    targets, logits = (hide(tf.cast(side, dtype), positive) for side in (labels["masks"], outputs))
    pixels = tf.nn.sigmoid_cross_entropy_with_logits(labels=tf.stop_gradient(targets), logits=logits)
    return hide(tf.reduce_mean(pixels, axis=[2, 3]), positive)


@serialisable
class MaskrcnnLoss(PositivesLoss):
    """Sigmoid cross-entropy of the pixels of the masks of boxes that hold an object; see `maskrcnn_loss`.

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

    function = staticmethod(_values)

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
        return super().__call__(_labels(mask_targets, select_class_targets), mask_outputs, sample_weight)

    def prepare(self, y_true: Any, y_pred: Any) -> tuple[Any, Any]:
        """Targets and which masks are positive."""
        return _sides(y_true, y_pred)

    def element_shape(self, y_pred: Any) -> Any:
        """Static shape `[batch, masks]` of the unreduced loss."""
        return y_pred.shape[:2]
