"""Mean intersection over union.

```python
from assay.keras_metrics import MeanIoU

metric = MeanIoU(num_classes=3, ignore_label=255)
metric.update_state([[0, 1, 255]], [[0, 0, 2]])
metric.result()  # (1/2 + 0) / 2 = 0.25: class 2 is nowhere
```
"""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
from assay.keras_metrics._class_mean import EXCLUDED, ONE, ZERO, mean_over_classes
from assay.keras_metrics._flavour import serialisable
from assay.keras_metrics._options import check_choice
from assay.keras_metrics._segmentation_metric import SegmentationMetric


@serialisable
class MeanIoU(SegmentationMetric):
    """Mean over the classes of intersection over union.

        iou[c] = found[c] / (labelled[c] + predicted[c] - found[c])
        result = mean of iou[c] over the classes with labelled[c] + predicted[c] > 0

    A class that is neither labelled nor predicted does what `absent_class` says. Nothing counted yet: 0. A pixel with a
    NaN score is predicted as no class: it counts against the class of its label. A label out of range that is not
    `ignore_label` counts against the class that is predicted there. A weight that is NaN shows in the result.

    Counts are exact far beyond 2^24, under any policy, order and split of the batches (see the README).

    Args:
        num_classes: Number of classes, at least 2.
        name: Name of the metric.
        ignore_label: Class id of pixels to leave out, for example 255.
        absent_class: `excluded`, the mean is over the classes that occur; `zero` (Model Garden) or `one`, it counts so.
        target_class_ids: Classes to average; None for all. The others still count as wrong predictions.
        rescale_predictions: Whether predictions are brought back to the original image; see `update_state`.
        input_size: `(height, width)` of the model's input with padding; None when row 1 of `image_info` is it (see
            `SegmentationMetric`).
        dtype: Dtype of the result; None means float32.

    Raises:
        ValueError: If an option is out of range.

    References:
        Everingham et al., "The Pascal Visual Object Classes Challenge: A Retrospective", section 3.1.3, 2015.
        Long, Shelhamer, Darrell, "Fully Convolutional Networks for Semantic Segmentation", section 5, 2015.
    """

    def __init__(
        self,
        num_classes: int,
        name: str = "mean_iou",
        *,
        ignore_label: int | None = None,
        absent_class: str = EXCLUDED,
        target_class_ids: Sequence[int] | None = None,
        rescale_predictions: bool = False,
        input_size: Sequence[int] | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            num_classes, name=name, ignore_label=ignore_label, rescale_predictions=rescale_predictions,
            input_size=input_size, dtype=dtype,
        )  # fmt: skip
        self.absent_class = check_choice("absent_class", absent_class, (EXCLUDED, ZERO, ONE))
        targets = None if target_class_ids is None else tuple(int(one) for one in target_class_ids)
        if targets is not None and (not targets or min(targets) < 0 or max(targets) >= self.num_classes):
            raise ValueError(
                f"`target_class_ids` must be some of the classes 0 to {self.num_classes - 1}. "
                f"Received: {target_class_ids!r}."
            )
        self.target_class_ids = targets

    def result(self) -> Any:
        """The mean IoU so far, a scalar in [0, 1]; 0 when nothing was counted."""
        either = self.class_counts.either(self.dtype)
        mean = mean_over_classes(
            tf.math.divide_no_nan(self.class_counts.hits(self.dtype), either),
            tf.not_equal(either, 0),
            absent_class=self.absent_class,
            target_class_ids=self.target_class_ids,
        )
        return tf.cast(mean, self.dtype)

    def get_config(self) -> dict[str, Any]:
        """Every constructor argument, as JSON values."""
        return {
            **super().get_config(),
            "absent_class": self.absent_class,
            "target_class_ids": None if self.target_class_ids is None else [*self.target_class_ids],
        }
