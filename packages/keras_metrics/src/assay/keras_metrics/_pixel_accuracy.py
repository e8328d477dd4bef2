"""Share of the pixels that are right."""

from typing import Any

import tensorflow as tf
from assay.keras_metrics._flavour import serialisable
from assay.keras_metrics._segmentation_metric import SegmentationMetric


@serialisable
class PixelAccuracy(SegmentationMetric):
    """Share of the pixels whose class is predicted.

        result = sum over c of found[c] / number of pixels

    A pixel with a NaN score, or with a label out of range that is not `ignore_label`, is wrong. Nothing counted yet: 0.

    Args:
        num_classes: Number of classes, at least 2.
        name: Name of the metric; None means `pixel_accuracy`.
        ignore_label: Class id of pixels to leave out, for example 255.
        rescale_predictions: Whether predictions are brought back to the original image; see `update_state`.
        input_size: `(height, width)` of the model's input with padding; None when row 1 of `image_info` is it.
        dtype: Dtype of the result; None means float32.

    References:
        Long, Shelhamer, Darrell, "Fully Convolutional Networks for Semantic Segmentation", section 5, 2015.
    """

    default_name = "pixel_accuracy"

    def result(self) -> Any:
        """The accuracy so far, a scalar in [0, 1]; 0 when nothing was counted."""
        counts = self.class_counts
        return tf.cast(tf.math.divide_no_nan(counts.all_hits(self.dtype), counts.total(self.dtype)), self.dtype)
