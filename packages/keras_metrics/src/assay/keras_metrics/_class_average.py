"""The base of measures of each class that are averaged over the classes."""

from typing import Any

import tensorflow as tf
from assay.keras_metrics._class_count_metric import ClassCountMetric
from assay.keras_metrics._class_mean import EXCLUDED, mean_over_classes
from assay.keras_metrics._options import check_choice

MICRO, MACRO, WEIGHTED, NONE = "micro", "macro", "weighted", "none"
AVERAGES = (MICRO, MACRO, WEIGHTED, NONE)


class ClassAverageMetric(ClassCountMetric):
    """Averages a measure of the counts over the classes; subclasses say which measure.

    Args:
        num_classes: Number of classes, at least 2.
        name: Name of the metric; None means the default one of the class.
        average: `micro`, `macro`, `weighted` or `none`.
        ignore_label: Class id of examples to leave out, for example 255.
        dtype: Dtype of the result; None means float32.

    Raises:
        ValueError: If an option is out of range.
    """

    def __init__(
        self,
        num_classes: int,
        name: str | None = None,
        *,
        average: str = MACRO,
        ignore_label: int | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(num_classes, name, ignore_label=ignore_label, dtype=dtype)
        self.average = check_choice("average", average, AVERAGES)

    def result(self) -> Any:
        """The measure so far, in [0, 1]: a scalar, or `[num_classes]` with the average `none`."""
        counts = self.class_counts
        found, labelled, predicted = (part(self.dtype) for part in (counts.hits, counts.labels, counts.predictions))
        if self.average == MICRO:
            # What was labelled or predicted as no class is an example all the same.
            value = self._measure(
                tf.reduce_sum(found),
                counts.labelled.combined(tf.reduce_sum, self.dtype),
                counts.predicted.combined(tf.reduce_sum, self.dtype),
            )
            return tf.cast(value, self.dtype)
        values = self._measure(found, labelled, predicted)
        if self.average == WEIGHTED:
            values = tf.math.divide_no_nan(tf.reduce_sum(labelled * values), tf.reduce_sum(labelled))
        if self.average == MACRO:
            present = tf.not_equal(labelled + predicted, 0)
            values = mean_over_classes(values, present, absent_class=EXCLUDED, target_class_ids=None)
        return tf.cast(values, self.dtype)

    def get_config(self) -> dict[str, Any]:
        """Every constructor argument, as JSON values."""
        return {**super().get_config(), "average": self.average}

    def _measure(self, found: Any, labelled: Any, predicted: Any) -> Any:
        """The measure of how much was found, labelled and predicted, of any one shape."""
        raise NotImplementedError
