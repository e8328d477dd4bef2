"""Intersection over union, each class weighted by how often it is labelled."""

from typing import Any

import tensorflow as tf
from assay.keras_metrics._flavour import serialisable
from assay.keras_metrics._segmentation_metric import SegmentationMetric


@serialisable
class FrequencyWeightedIoU(SegmentationMetric):
    """Mean of the classes' intersection over union, weighted by the share of pixels that are labelled so.

        result = sum over c of labelled[c] * iou[c] / sum over c of labelled[c]

    A class that is not labelled has no weight, whether or not it is predicted. Nothing counted yet: 0. What is counted,
    and where NaN scores and labels out of range count, is as in `MeanIoU`.

    Args:
        num_classes: Number of classes, at least 2.
        name: Name of the metric; None means `frequency_weighted_iou`.
        ignore_label: Class id of pixels to leave out, for example 255.
        rescale_predictions: Whether predictions are brought back to the original image; see `update_state`.
        input_size: `(height, width)` of the model's input with padding; None when row 1 of `image_info` is it.
        dtype: Dtype of the result; None means float32.

    References:
        Long, Shelhamer, Darrell, "Fully Convolutional Networks for Semantic Segmentation", section 5, 2015.
    """

    default_name = "frequency_weighted_iou"

    def result(self) -> Any:
        """The weighted IoU so far, a scalar in [0, 1]; 0 when nothing was counted."""
        counts, labels = self.class_counts, self.class_counts.labels(self.dtype)
        iou = tf.math.divide_no_nan(counts.hits(self.dtype), counts.either(self.dtype))
        shares = tf.math.divide_no_nan(labels, tf.reduce_sum(labels))
        return tf.cast(tf.reduce_sum(shares * iou), self.dtype)
