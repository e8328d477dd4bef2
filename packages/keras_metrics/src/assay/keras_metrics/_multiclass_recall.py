"""Recall of a classifier of many classes."""

from typing import Any

import tensorflow as tf
from assay.keras_metrics._class_count_metric import ClassCountMetric
from assay.keras_metrics._class_mean import check_choice
from assay.keras_metrics._flavour import serialisable
from assay.keras_metrics._multiclass_fbeta import AVERAGES, MACRO, average_over_classes


@serialisable
class MulticlassRecall(ClassCountMetric):
    """Share of the examples of a class that are found, over the classes.

        recall[c] = found[c] / labelled[c], and 0 for a class that is only predicted
        macro:    mean of recall[c] over the classes with labelled[c] + predicted[c] > 0
        weighted: sum over c of labelled[c] * recall[c] / sum over c of labelled[c]
        micro:    sum over c of found[c] / number of examples
        none:     recall[c] of each class, `[num_classes]`

    This is what scikit-learn computes without `labels`. Where NaN scores, NaN weights and labels out of range count is
    as in `MulticlassFBeta`.

    Args:
        num_classes: Number of classes, at least 2.
        name: Name of the metric.
        average: `micro`, `macro`, `weighted` or `none`.
        ignore_label: Class id of examples to leave out, for example 255.
        dtype: Dtype of the result; None means float32.

    Raises:
        ValueError: If an option is out of range.

    References:
        Sokolova, Lapalme, "A Systematic Analysis of Performance Measures for Classification Tasks", 2009.
    """

    def __init__(
        self,
        num_classes: int,
        name: str = "recall",
        *,
        average: str = MACRO,
        ignore_label: int | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(num_classes, name=name, ignore_label=ignore_label, dtype=dtype)
        self.average = check_choice("average", average, AVERAGES)

    def result(self) -> Any:
        """The recall so far, in [0, 1]: a scalar, or `[num_classes]` with the average `none`."""
        return average_over_classes(
            self, self.average, lambda found, labelled, predicted: tf.math.divide_no_nan(found, labelled)
        )

    def get_config(self) -> dict[str, Any]:
        """Every constructor argument, as JSON values."""
        return {**super().get_config(), "average": self.average}
