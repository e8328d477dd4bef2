"""Recall of a classifier of many classes."""

from typing import Any

import tensorflow as tf
from assay.keras_metrics._class_average import ClassAverageMetric
from assay.keras_metrics._flavour import serialisable


@serialisable
class MulticlassRecall(ClassAverageMetric):
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
        name: Name of the metric; None means `recall`.
        average: `micro`, `macro`, `weighted` or `none`.
        ignore_label: Class id of examples to leave out, for example 255.
        dtype: Dtype of the result; None means float32.

    Raises:
        ValueError: If an option is out of range.

    References:
        Sokolova, Lapalme, "A Systematic Analysis of Performance Measures for Classification Tasks", 2009.
    """

    default_name = "recall"

    def _measure(self, found: Any, labelled: Any, predicted: Any) -> Any:
        return tf.math.divide_no_nan(found, labelled)
