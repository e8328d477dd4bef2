"""What the losses of Mask R-CNN share that divide by the number of positives."""

from typing import Any

import tensorflow as tf
from assay.losses._function_loss import FunctionLoss
from assay.losses._reduction import REDUCTIONS, SUM_OVER_POSITIVES


class PositivesLoss(FunctionLoss):
    """A loss that divides by the number of positives, given with the labels as `positive`."""

    reductions = (SUM_OVER_POSITIVES, *REDUCTIONS)

    def count_positives(self, y_true: Any, y_pred: Any) -> Any:
        """How many are positive."""
        del y_pred
        return tf.reduce_sum(tf.cast(y_true["positive"], tf.float32))
