"""Overlap losses of boxes as Keras objects.

```python
from assay.losses import CIoULoss

loss = CIoULoss(reduction="mean_with_sample_weight")
boxes, anchors = [[[0.0, 0.0, 2.0, 2.0], [0.0, 0.0, 0.0, 0.0]]], [[[0.0, 1.0, 2.0, 3.0], [5.0, 5.0, 6.0, 6.0]]]
loss(boxes, anchors, sample_weight=[[1.0, 0.0]])  # the second anchor has no object
```
"""

from assay.losses._flavour import serialisable
from assay.losses._function_loss import FunctionLoss
from assay.losses._reduction import SUM_OVER_BATCH_SIZE
from assay.losses._replicas import GLOBAL
from assay.losses.boxes import _overlap


class _OverlapLoss(FunctionLoss):
    """What the overlap losses share: a plain function without options; its name is the default name of the loss."""

    def __init__(
        self,
        *,
        reduction: str | None = SUM_OVER_BATCH_SIZE,
        normalisation: str = GLOBAL,
        name: str | None = None,
    ) -> None:
        super().__init__(reduction=reduction, normalisation=normalisation, name=name or type(self).function.__name__)


@serialisable
class IoULoss(_OverlapLoss):
    """`1 - IoU` of yxyx boxes `[batch, ..., 4]`; see `iou_loss`.

    Normaliser: that of `reduction`, counting boxes. With weights of 0 and 1, `mean_with_sample_weight` divides by the
    number of positive boxes, over all replicas by default.

    Args:
        reduction: "sum_over_batch_size", "mean_with_sample_weight", "sum" or "none".
        normalisation: "global" adds the weights up over all replicas, "replica" on each alone.
        name: Name of the loss; None for that of the function.
    """

    function = staticmethod(_overlap.iou_loss)


@serialisable
class GIoULoss(_OverlapLoss):
    """Generalised IoU loss of yxyx boxes `[batch, ..., 4]`; see `giou_loss`, and `IoULoss` for the normaliser.

    Args:
        reduction: "sum_over_batch_size", "mean_with_sample_weight", "sum" or "none".
        normalisation: "global" adds the weights up over all replicas, "replica" on each alone.
        name: Name of the loss; None for that of the function.
    """

    function = staticmethod(_overlap.giou_loss)


@serialisable
class DIoULoss(_OverlapLoss):
    """Distance IoU loss of yxyx boxes `[batch, ..., 4]`; see `diou_loss`, and `IoULoss` for the normaliser.

    Args:
        reduction: "sum_over_batch_size", "mean_with_sample_weight", "sum" or "none".
        normalisation: "global" adds the weights up over all replicas, "replica" on each alone.
        name: Name of the loss; None for that of the function.
    """

    function = staticmethod(_overlap.diou_loss)


@serialisable
class CIoULoss(_OverlapLoss):
    """Complete IoU loss of yxyx boxes `[batch, ..., 4]`; see `ciou_loss`, and `IoULoss` for the normaliser.

    Args:
        reduction: "sum_over_batch_size", "mean_with_sample_weight", "sum" or "none".
        normalisation: "global" adds the weights up over all replicas, "replica" on each alone.
        name: Name of the loss; None for that of the function.
    """

    function = staticmethod(_overlap.ciou_loss)
