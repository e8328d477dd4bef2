"""How far the confidence of a classifier is from how often it is right.

```python
from assay.keras_metrics import ExpectedCalibrationError

metric = ExpectedCalibrationError(num_bins=10)
metric.update_state([0, 1], [[0.9, 0.1], [0.7, 0.3]])  # sure by 0.9 and right, sure by 0.7 and wrong
metric.result()  # (|1 - 0.9| + |0 - 0.7|) / 2 = 0.4
```
"""

from typing import Any

import tensorflow as tf
from assay.keras_metrics._exact_sum import ExactSum
from assay.keras_metrics._flavour import FlavourMetric, serialisable
from assay.keras_metrics._labels import align_weights, as_class_ids, as_scores
from assay.keras_metrics._predicted_class import predicted_class

DEFAULT_BINS = 15


@serialisable
class ExpectedCalibrationError(FlavourMetric):
    """Expected calibration error of the most probable class, in bins of equal width.

        bin[i] = the examples with confidence in (i / num_bins, (i + 1) / num_bins], confidence 0 in the first
        result = sum over i of |correct[i] - confidence[i]| / number of examples

    where `correct[i]` is how many examples of the bin are right and `confidence[i]` the sum of their confidence; the
    confidence is the largest probability. With weights, sums of weights. Nothing counted yet: 0. An example with a NaN
    probability shows as NaN in the result until `reset_state`, and so does a weight that is NaN or infinite.

    Args:
        num_bins: Number of bins, at least 1.
        name: Name of the metric.
        from_logits: Whether predictions are logits, of which the softmax is taken in float32, and no probabilities.
        ignore_label: Sparse class id of examples to leave out, for example -1 or 255.
        dtype: Dtype of the result; None means float32.

    Raises:
        ValueError: If `num_bins` is no positive integer.

    References:
        Naeini, Cooper, Hauskrecht, "Obtaining Well Calibrated Probabilities Using Bayesian Binning", 2015.
        Guo, Pleiss, Sun, Weinberger, "On Calibration of Modern Neural Networks", 2017 (15 bins).
    """

    def __init__(
        self,
        num_bins: int = DEFAULT_BINS,
        name: str = "expected_calibration_error",
        *,
        from_logits: bool = False,
        ignore_label: int | None = None,
        dtype: Any = None,
    ) -> None:
        if isinstance(num_bins, bool) or int(num_bins) != num_bins or num_bins < 1:
            raise ValueError(f"`num_bins` must be an integer of at least 1. Received: {num_bins!r}.")
        super().__init__(name=name, dtype=dtype)
        self.num_bins = int(num_bins)
        self.from_logits = bool(from_logits)
        self.ignore_label = None if ignore_label is None else int(ignore_label)
        self.correct = ExactSum(self, "correct", shape=(self.num_bins,))
        self.confidence = ExactSum(self, "confidence", shape=(self.num_bins,))
        self.total = ExactSum(self, "total")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Count a batch.

        Args:
            y_true: Sparse ids `[batch, ...]` (or `[batch, ..., 1]`), or one value per class
                `[batch, ..., num_classes]`, of which the largest names the class.
            y_pred: Probabilities, or logits with `from_logits`, `[batch, ..., num_classes]`.
            sample_weight: None, a scalar, or weights of shape `[batch, ...]` or a leading part of it. An example of
                weight 0 is not looked at.

        Raises:
            ValueError: If the shapes do not fit.
        """
        scores = as_scores(y_pred)
        labels = as_class_ids(y_true, scores)
        predicted = predicted_class(scores)
        confidence = tf.reduce_max(tf.nn.softmax(scores) if self.from_logits else scores, axis=-1)
        confidence = tf.where(predicted < 0, tf.constant(float("nan"), confidence.dtype), confidence)
        weights = tf.ones_like(confidence, tf.float32)
        if sample_weight is not None:
            weights = tf.cast(align_weights(tf.convert_to_tensor(sample_weight), confidence), tf.float32)
        if self.ignore_label is not None:
            weights = tf.where(tf.equal(labels, tf.cast(self.ignore_label, labels.dtype)), 0.0, weights)
        correct = tf.equal(tf.cast(predicted, labels.dtype), labels)
        bins, sure = self._bins(confidence), weights * tf.cast(confidence, tf.float32)
        self.correct.add_at(tf.where(correct, weights, tf.zeros_like(weights)), bins)
        self.confidence.add_at(tf.where(tf.equal(weights, 0), tf.zeros_like(sure), sure), bins)
        self.total.add(weights)

    def result(self) -> Any:
        """The error so far, a scalar in [0, 1]; 0 when nothing was counted."""
        gap = tf.abs(self.correct.value(self.dtype) - self.confidence.value(self.dtype))
        return tf.cast(tf.math.divide_no_nan(tf.reduce_sum(gap), self.total.value(self.dtype)), self.dtype)

    def get_config(self) -> dict[str, Any]:
        """Every constructor argument, as JSON values."""
        return {
            **super().get_config(),
            "num_bins": self.num_bins,
            "from_logits": self.from_logits,
            "ignore_label": self.ignore_label,
        }

    def _bins(self, confidence: Any) -> Any:
        """The bin of each confidence; a NaN goes to the first, where it shows."""
        # Edges are compared and not computed from, so that a confidence of exactly 0.6 is in one bin everywhere.
        edges = tf.constant([number / self.num_bins for number in range(1, self.num_bins)], confidence.dtype)
        flat = tf.reshape(confidence, [-1])
        return tf.searchsorted(edges, tf.where(tf.math.is_nan(flat), tf.zeros_like(flat), flat), side="left")
