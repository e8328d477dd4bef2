"""Mean over the classes of the share that is found."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
from assay.keras_metrics._class_mean import EXCLUDED, ONE, ZERO, mean_over_classes
from assay.keras_metrics._flavour import serialisable
from assay.keras_metrics._options import check_choice
from assay.keras_metrics._segmentation_metric import SegmentationMetric


@serialisable
class MeanPerClassAccuracy(SegmentationMetric):
    """Mean over the classes of the share of their pixels, or examples, that is found; also called balanced accuracy.

        result = mean of found[c] / labelled[c] over the classes with labelled[c] > 0

    A class that is not labelled does what `absent_class` says; its wrong predictions count against the classes that
    are there. A NaN score is wrong. Nothing counted yet: 0.

    Args:
        num_classes: Number of classes, at least 2.
        name: Name of the metric.
        ignore_label: Class id of pixels to leave out, for example 255.
        absent_class: `excluded`, the mean is over the classes that are labelled; `zero` or `one`, they count so.
        rescale_predictions: Whether predictions are brought back to the original image; see `update_state`.
        input_size: `(height, width)` of the model's input with padding; None when row 1 of `image_info` is it.
        dtype: Dtype of the result; None means float32.

    Raises:
        ValueError: If an option is out of range.

    References:
        Brodersen et al., "The Balanced Accuracy and Its Posterior Distribution", 2010.
    """

    def __init__(
        self,
        num_classes: int,
        name: str = "mean_per_class_accuracy",
        *,
        ignore_label: int | None = None,
        absent_class: str = EXCLUDED,
        rescale_predictions: bool = False,
        input_size: Sequence[int] | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            num_classes, name=name, ignore_label=ignore_label, rescale_predictions=rescale_predictions,
            input_size=input_size, dtype=dtype,
        )  # fmt: skip
        self.absent_class = check_choice("absent_class", absent_class, (EXCLUDED, ZERO, ONE))

    def result(self) -> Any:
        """The mean accuracy so far, a scalar in [0, 1]; 0 when nothing was counted."""
        labels = self.class_counts.labels(self.dtype)
        mean = mean_over_classes(
            tf.math.divide_no_nan(self.class_counts.hits(self.dtype), labels),
            tf.not_equal(labels, 0),
            absent_class=self.absent_class,
            target_class_ids=None,
        )
        return tf.cast(mean, self.dtype)

    def get_config(self) -> dict[str, Any]:
        """Every constructor argument, as JSON values."""
        return {**super().get_config(), "absent_class": self.absent_class}
