"""What the losses of Mask R-CNN share: predictions first, and division by the number of positives."""

from typing import Any

import tensorflow as tf
from assay.losses._reduction import REDUCTIONS, SUM_OVER_POSITIVES
from assay.losses._weighted_loss import WeightedLoss


class PositivesLoss(WeightedLoss):
    """A loss that divides by the number of positives, given with the labels as `positive`."""

    reductions = (SUM_OVER_POSITIVES, *REDUCTIONS)

    def count_positives(self, y_true: Any, y_pred: Any) -> Any:
        """How many are positive."""
        del y_pred
        return tf.reduce_sum(tf.cast(y_true["positive"], tf.float32))


def check_same_shape(name: str, targets: Any, outputs: Any) -> None:
    """Refuse targets of another shape than the outputs.

    Raises:
        ValueError: If the shapes differ.
    """
    if targets.shape.rank != outputs.shape.rank or not targets.shape.is_compatible_with(outputs.shape):
        raise ValueError(f"The targets of {name} must have shape {outputs.shape}, received {targets.shape}.")
