"""Huber loss of box regression targets.

```python
from assay.losses import BoxHuberLoss

BoxHuberLoss(delta=0.1, reduction="none")([[0.0, 0.0, 0.0, 0.0]], [[0.05, 1.0, 0.0, 0.0]])  # [0.0241]
```
"""

from typing import Any

import tensorflow as tf
from assay.losses._flavour import serialisable
from assay.losses._function_loss import FunctionLoss
from assay.losses._options import check_above_zero
from assay.losses._reduction import SUM_OVER_BATCH_SIZE
from assay.losses._replicas import GLOBAL
from assay.losses.boxes._coordinates import aligned_boxes

COORDINATE_REDUCTIONS = ("mean", "sum")


def box_huber_loss(targets: Any, predictions: Any, *, delta: float = 0.1, coordinate_reduction: str = "mean") -> Any:
    """Huber loss of the four regression targets of each box.

    With `e = |target - prediction|` of each coordinate:

        entry = e ** 2 / 2 where e <= delta, else delta * (e - delta / 2)
        value = mean over the four coordinates of entry, or their sum (`coordinate_reduction`)

    Args:
        targets: `[batch, ..., 4]`, such as `ty, tx, th, tw`: offsets of the centre in units of the anchor, logarithms
            of ratios of sizes. Any four numbers will do. Targets receive no gradient.
        predictions: As the targets, float.
        delta: Error from which on the loss is linear, > 0.
        coordinate_reduction: "mean" (as Keras' Huber, and Model Garden's RetinaNet) or "sum" over the coordinates.

    Returns:
        `[batch, ...]` float32 (float64 for float64 predictions).

    Raises:
        ValueError: If shapes do not fit or an option is out of range.

    References:
        Girshick, "Fast R-CNN" (smooth L1 is this divided by delta), 2015.
    """
    check_above_zero(delta, option="delta")
    check_coordinate_reduction(coordinate_reduction)
    targets, predictions = aligned_boxes(targets, predictions)
    entries = huber(targets, predictions, delta)
    reduce = tf.reduce_mean if coordinate_reduction == "mean" else tf.reduce_sum
    return reduce(entries, axis=-1)


def huber(targets: Any, predictions: Any, delta: float) -> Any:
    """Huber loss entry by entry; its gradient is the error, clipped to `delta`."""
    error = tf.abs(predictions - targets)
    quadratic = tf.minimum(error, delta)
    return 0.5 * tf.square(quadratic) + delta * (error - quadratic)


def check_coordinate_reduction(coordinate_reduction: str) -> None:
    """Refuse a reduction of the coordinates that is neither `mean` nor `sum`."""
    if coordinate_reduction not in COORDINATE_REDUCTIONS:
        raise ValueError(
            f"`coordinate_reduction` must be one of {', '.join(COORDINATE_REDUCTIONS)}. "
            f"Received: {coordinate_reduction!r}."
        )


@serialisable
class BoxHuberLoss(FunctionLoss):
    """Huber loss of box regression targets; see `box_huber_loss` for the formula and the shapes.

    The unreduced loss has shape `[batch, ...]`, one value per box. Give boxes that are not positive a `sample_weight`
    of 0: their targets are undefined.

    Normaliser: that of `reduction`. `mean_with_sample_weight` with weights of 0 and 1 divides by the number of positive
    boxes, over all replicas by default; `RetinaNetLoss` composes this with the loss of the classes.

    Args:
        delta: Error from which on the loss is linear, > 0.
        coordinate_reduction: "mean" or "sum" over the coordinates.
        reduction: "sum_over_batch_size", "mean_with_sample_weight", "sum" or "none".
        normalisation: "global" adds the weights up over all replicas, "replica" on each alone.
        name: Name of the loss.

    Raises:
        ValueError: If an option is out of range; on a call, if shapes do not fit.
    """

    function = staticmethod(box_huber_loss)

    def __init__(
        self,
        *,
        delta: float = 0.1,
        coordinate_reduction: str = "mean",
        reduction: str | None = SUM_OVER_BATCH_SIZE,
        normalisation: str = GLOBAL,
        name: str = "box_huber_loss",
    ) -> None:
        check_above_zero(delta, option="delta")
        check_coordinate_reduction(coordinate_reduction)
        super().__init__(
            delta=float(delta),
            coordinate_reduction=coordinate_reduction,
            reduction=reduction,
            normalisation=normalisation,
            name=name,
        )
