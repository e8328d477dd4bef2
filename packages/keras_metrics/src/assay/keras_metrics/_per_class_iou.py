"""Intersection over union of each class."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
from assay.keras_metrics._class_mean import NAN, ONE, ZERO, fill_absent
from assay.keras_metrics._flavour import serialisable
from assay.keras_metrics._options import check_choice
from assay.keras_metrics._segmentation_metric import SegmentationMetric


@serialisable
class PerClassIoU(SegmentationMetric):
    """Intersection over union of each class, an array `[num_classes]`.

        iou[c] = found[c] / (labelled[c] + predicted[c] - found[c])

    What is counted, and where NaN scores and labels out of range count, is as in `MeanIoU`.

    Args:
        num_classes: Number of classes, at least 2.
        name: Name of the metric.
        ignore_label: Class id of pixels to leave out, for example 255.
        absent_class: The value of a class that is neither labelled nor predicted: `zero` (as in Model Garden), `one`,
            or `nan`, which says that it has none.
        rescale_predictions: Whether predictions are brought back to the original image; see `update_state`.
        input_size: `(height, width)` of the model's input with padding; None when row 1 of `image_info` is it.
        dtype: Dtype of the result; None means float32.

    Raises:
        ValueError: If an option is out of range.
    """

    def __init__(
        self,
        num_classes: int,
        name: str = "per_class_iou",
        *,
        ignore_label: int | None = None,
        absent_class: str = ZERO,
        rescale_predictions: bool = False,
        input_size: Sequence[int] | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            num_classes, name=name, ignore_label=ignore_label, rescale_predictions=rescale_predictions,
            input_size=input_size, dtype=dtype,
        )  # fmt: skip
        self.absent_class = check_choice("absent_class", absent_class, (ZERO, ONE, NAN))

    def result(self) -> Any:
        """The IoU of each class so far, `[num_classes]`; of absent ones what `absent_class` says."""
        either = self.class_counts.either(self.dtype)
        iou = tf.math.divide_no_nan(self.class_counts.hits(self.dtype), either)
        return tf.cast(fill_absent(iou, tf.not_equal(either, 0), absent_class=self.absent_class), self.dtype)

    def get_config(self) -> dict[str, Any]:
        """Every constructor argument, as JSON values."""
        return {**super().get_config(), "absent_class": self.absent_class}
