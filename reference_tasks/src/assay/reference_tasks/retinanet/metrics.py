"""The losses as metrics that are exact over a whole evaluation, however it is split into batches."""

from typing import Any

import tensorflow as tf
from assay.keras_metrics import RunningMean


@tf.keras.utils.register_keras_serializable(package="assay")
class LossPerPositive(RunningMean):
    """A loss summed over anchors, divided by the number of positive ones.

        result = sum of losses / max(sum of positives, 1)

    The mean of the losses of batches would give batches with few objects the weight of those with many; here sums and
    counts are added up apart, over all batches and replicas.

    Args:
        name: Name of the metric.
        dtype: Dtype of the result; None means float32.
    """

    def update_state(self, values: Any, positives: Any) -> None:  # type: ignore[override]
        """Count a batch.

        Args:
            values: The loss, summed over the anchors of the batch; a float scalar.
            positives: The number of positive anchors of the batch; a float scalar.
        """
        self.sum.add(values)
        self.weight.add(positives)

    def result(self) -> Any:
        """The loss so far for each positive anchor, a scalar."""
        return tf.cast(self.sum.value(self.dtype) / tf.maximum(self.weight.value(self.dtype), 1), self.dtype)
