"""Mean of values that come in one after another: losses, gradient norms, anything.

```python
from assay.keras_metrics import RunningMean

metric = RunningMean("training_loss")
metric.update_state([1.0, 2.0])
metric.update_state(6.0)
metric.result()  # 3.0
```
"""

from typing import Any

import tensorflow as tf
from assay.keras_metrics._exact_sum import ExactSum
from assay.keras_metrics._flavour import FlavourMetric, serialisable
from assay.keras_metrics._labels import align_weights


@serialisable
class RunningMean(FlavourMetric):
    """Weighted mean of values.

        result = sum(weight * value) / sum(weight)

    Sums and counts go on past 2^24, where a float32 sum of ones stops, and past 65504, where one in float16 is
    infinite; values of any dtype are added in float32 or better, whatever the policy. The result does not depend on the
    order or the split of the values beyond float32 rounding. A value or weight that is NaN or infinite shows in the
    result until `reset_state`, except where the weight is 0. Nothing counted yet, or weights of 0 only: 0.

    The mean is over values, not over updates: two values in one update count as much as two updates with one each.
    Under a `tf.distribute` strategy replicas count apart and a read outside the replicas gives the mean over all.

    Args:
        name: Name of the metric.
        dtype: Dtype of the result; None means float32.
    """

    def __init__(self, name: str = "mean", *, dtype: Any = None) -> None:
        super().__init__(name=name, dtype=dtype)
        self.sum = ExactSum(self, "sum")
        self.weight = ExactSum(self, "weight")

    def update_state(self, values: Any, sample_weight: Any = None) -> None:
        """Count values.

        Args:
            values: Numbers of any shape, also a scalar, and of any real dtype.
            sample_weight: None, a scalar, or weights of shape `[d0, ..., dn]` of the values or a leading part of it. A
                value of weight 0 is not looked at.

        Raises:
            ValueError: If the shapes do not fit.
        """
        values = tf.convert_to_tensor(values)
        if sample_weight is None:
            self.sum.add(values)
            self.weight.add(tf.ones_like(values, tf.bool))
            return
        values = tf.cast(values, tf.float64 if values.dtype in (tf.float64, tf.int64) else tf.float32)
        weights = tf.cast(align_weights(tf.convert_to_tensor(sample_weight), values), values.dtype)
        self.sum.add(tf.where(tf.equal(weights, 0), tf.zeros_like(values), values * weights))
        self.weight.add(weights)

    def result(self) -> Any:
        """The mean so far, a scalar; 0 when nothing was counted."""
        mean = tf.math.divide_no_nan(self.sum.value(self.dtype), self.weight.value(self.dtype))
        return tf.cast(mean, self.dtype)
