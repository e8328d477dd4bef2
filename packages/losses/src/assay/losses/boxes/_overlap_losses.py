"""Overlap losses of boxes as Keras objects.

```python
from assay.losses import CIoULoss

loss = CIoULoss(reduction="mean_with_sample_weight")
boxes, anchors = [[[0.0, 0.0, 2.0, 2.0], [0.0, 0.0, 0.0, 0.0]]], [[[0.0, 1.0, 2.0, 3.0], [5.0, 5.0, 6.0, 6.0]]]
loss(boxes, anchors, sample_weight=[[1.0, 0.0]])  # the second anchor has no object
```
"""

from collections.abc import Callable
from typing import Any

from assay.losses._flavour import serialisable
from assay.losses._reduction import SUM_OVER_BATCH_SIZE
from assay.losses._replicas import GLOBAL
from assay.losses._weighted_loss import WeightedLoss
from assay.losses.boxes import _overlap


class _OverlapLoss(WeightedLoss):
    """What the overlap losses share: one value per pair of boxes from a plain function."""

    function: Callable[[Any, Any], Any]

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The unreduced, unweighted loss: `[batch, ...]`."""
        return type(self).function(y_true, y_pred)


@serialisable
class IoULoss(_OverlapLoss):
    """`1 - IoU` of yxyx boxes `[batch, ..., 4]`; see `iou_loss`.

    Normaliser: that of `reduction`, counting boxes. With weights of 0 and 1, `mean_with_sample_weight` divides by the
    number of positive boxes, over all replicas by default.

    Args:
        reduction: "sum_over_batch_size", "mean_with_sample_weight", "sum" or "none".
        normalisation: "global" adds the weights up over all replicas, "replica" on each alone.
        name: Name of the loss.
    """

    function = staticmethod(_overlap.iou_loss)

    def __init__(
        self,
        *,
        reduction: str | None = SUM_OVER_BATCH_SIZE,
        normalisation: str = GLOBAL,
        name: str = "iou_loss",
    ) -> None:
        super().__init__(reduction=reduction, normalisation=normalisation, name=name)


@serialisable
class GIoULoss(_OverlapLoss):
    """Generalised IoU loss of yxyx boxes `[batch, ..., 4]`; see `giou_loss`, and `IoULoss` for the normaliser.

    Args:
        reduction: "sum_over_batch_size", "mean_with_sample_weight", "sum" or "none".
        normalisation: "global" adds the weights up over all replicas, "replica" on each alone.
        name: Name of the loss.
    """

    function = staticmethod(_overlap.giou_loss)

    def __init__(
        self,
        *,
        reduction: str | None = SUM_OVER_BATCH_SIZE,
        normalisation: str = GLOBAL,
        name: str = "giou_loss",
    ) -> None:
        super().__init__(reduction=reduction, normalisation=normalisation, name=name)


@serialisable
class DIoULoss(_OverlapLoss):
    """Distance IoU loss of yxyx boxes `[batch, ..., 4]`; see `diou_loss`, and `IoULoss` for the normaliser.

    Args:
        reduction: "sum_over_batch_size", "mean_with_sample_weight", "sum" or "none".
        normalisation: "global" adds the weights up over all replicas, "replica" on each alone.
        name: Name of the loss.
    """

    function = staticmethod(_overlap.diou_loss)

    def __init__(
        self,
        *,
        reduction: str | None = SUM_OVER_BATCH_SIZE,
        normalisation: str = GLOBAL,
        name: str = "diou_loss",
    ) -> None:
        super().__init__(reduction=reduction, normalisation=normalisation, name=name)


@serialisable
class CIoULoss(_OverlapLoss):
    """Complete IoU loss of yxyx boxes `[batch, ..., 4]`; see `ciou_loss`, and `IoULoss` for the normaliser.

    Args:
        reduction: "sum_over_batch_size", "mean_with_sample_weight", "sum" or "none".
        normalisation: "global" adds the weights up over all replicas, "replica" on each alone.
        name: Name of the loss.
    """

    function = staticmethod(_overlap.ciou_loss)

    def __init__(
        self,
        *,
        reduction: str | None = SUM_OVER_BATCH_SIZE,
        normalisation: str = GLOBAL,
        name: str = "ciou_loss",
    ) -> None:
        super().__init__(reduction=reduction, normalisation=normalisation, name=name)
