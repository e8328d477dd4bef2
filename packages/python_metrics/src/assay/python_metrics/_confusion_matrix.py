"""Counts of true against predicted classes, and the scores that follow from them.

```python
from assay.python_metrics import ConfusionMatrix

metric = ConfusionMatrix(num_classes=3, ignore_label=255)
metric.update_state({"labels": [0, 1, 2, 255]}, {"labels": [0, 2, 2, 1]})
metric.result()["mean_iou"]  # (1 + 0 + 1/2) / 3 = 0.5
```
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from assay.python_metrics._host_metric import UNDEFINED, BaseHostMetric

LABELS = "labels"
VALID_MASKS = "valid_masks"
LARGEST_CLASSES = 46_340  # above it, num_classes**2 leaves the range of int32, and the matrix 16 GiB


class ConfusionMatrix(BaseHostMetric):
    """Confusion matrix of class labels or label maps, with accuracy and intersection over union.

    `matrix[i, j]` is the number of elements of class `i` that were predicted as `j`. With `tp = matrix[c, c]`:

    | result | formula | undefined when |
    |---|---|---|
    | `accuracy` | `sum(tp) / sum(matrix)` | nothing was counted |
    | `accuracy/<class>` | `tp / elements of the class` (recall) | the class is not in the groundtruths |
    | `mean_accuracy` | mean of the defined `accuracy/<class>` | none is defined |
    | `iou/<class>` | `tp / (elements of the class + predictions of it - tp)` | the class is in neither |
    | `mean_iou` | mean of the defined `iou/<class>` | none is defined |
    | `frequency_weighted_iou` | `sum(elements of the class / all elements * iou/<class>)` | nothing was counted |

    An undefined number is -1 (`UNDEFINED`). A class that is absent from the data is thus left out of the means; a
    class that is only ever predicted, wrongly, counts with an IoU of 0.

    Groundtruth fields: `labels`, integers of any shape; optionally `valid_masks`, of that shape, whose false elements
    are left out. Prediction field: `labels`, of the same shape as the groundtruth. A trailing axis of size 1 may be
    there or not. Elements whose groundtruth is `ignore_label` are left out, whatever is predicted there; other values
    outside `[0, num_classes)` are an error.

    Args:
        num_classes: Number of classes.
        ignore_label: Groundtruth value to leave out, for example 255; None leaves out none.
        class_names: Names for the results of the classes; the ids by default.
        name: Name of the metric.

    Raises:
        ValueError: If an option is out of range.

    References:
        Long, Shelhamer, Darrell, "Fully Convolutional Networks for Semantic Segmentation", section 5, 2015.
    """

    required_groundtruths = (LABELS,)
    optional_groundtruths = (VALID_MASKS,)
    required_predictions = (LABELS,)

    def __init__(
        self,
        num_classes: int,
        *,
        ignore_label: int | None = None,
        class_names: Sequence[str] | None = None,
        name: str = "confusion_matrix",
    ) -> None:
        if isinstance(num_classes, bool) or not 1 <= int(num_classes) <= LARGEST_CLASSES:
            raise ValueError(f"`num_classes` must be in [1, {LARGEST_CLASSES}]. Received: {num_classes!r}.")
        names = [str(index) for index in range(num_classes)] if class_names is None else list(class_names)
        if len(set(names)) != num_classes or len(names) != num_classes:
            raise ValueError(
                f"`class_names` must hold {num_classes} different names (`num_classes`). Received {len(names)}: "
                f"{names!r}."
            )
        self.num_classes = int(num_classes)
        self.ignore_label = ignore_label
        self.class_names = tuple(names)
        super().__init__(name=name)

    @property
    def matrix(self) -> np.ndarray:
        """A copy of the counts: `[num_classes, num_classes]` int64, rows are true classes, columns predicted ones."""
        return self._matrix.copy()

    def options(self) -> dict[str, Any]:
        """What must be equal for two matrices to be merged."""
        return {
            "num_classes": self.num_classes,
            "ignore_label": self.ignore_label,
            "class_names": self.class_names,
        }

    def reset_state(self) -> None:
        """Forget all batches."""
        self._matrix = np.zeros((self.num_classes, self.num_classes), np.int64)

    def update(self, groundtruths: dict[str, np.ndarray], predictions: dict[str, np.ndarray]) -> None:
        """Count a batch."""
        truth, predicted = groundtruths[LABELS], predictions[LABELS]
        predicted = _like(predicted, truth, what="predicted labels")
        keep = None
        if VALID_MASKS in groundtruths:
            keep = _like(groundtruths[VALID_MASKS], truth, what="valid masks").astype(bool).ravel()
        truth, predicted = truth.ravel(), predicted.ravel()
        if self.ignore_label is not None:
            counted = truth != self.ignore_label
            keep = counted if keep is None else keep & counted
        if keep is not None:
            truth, predicted = truth[keep], predicted[keep]
        rows = self._as_ids(truth, "groundtruths")
        columns = self._as_ids(predicted, "predictions")
        counts = np.bincount(rows * self.num_classes + columns, minlength=self.num_classes**2)
        self._matrix += counts.reshape(self._matrix.shape)

    def merge(self, other: "ConfusionMatrix") -> None:
        """Add the counts of another matrix."""
        self._matrix += other._matrix

    def result(self) -> dict[str, float]:
        """Every number of the table of the class, by name."""
        hits = np.diag(self._matrix)
        of_class, as_class = self._matrix.sum(axis=1), self._matrix.sum(axis=0)
        elements = int(of_class.sum())
        accuracies = [_share(*pair) for pair in zip(hits, of_class, strict=True)]
        ious = [_share(*pair) for pair in zip(hits, of_class + as_class - hits, strict=True)]
        weighted = sum(int(n) * iou for n, iou in zip(of_class, ious, strict=True) if n)
        results = {
            "accuracy": _share(hits.sum(), elements),
            "mean_accuracy": _mean_of_defined(accuracies),
            "mean_iou": _mean_of_defined(ious),
            "frequency_weighted_iou": weighted / elements if elements else UNDEFINED,
        }
        for label, iou, accuracy in zip(self.class_names, ious, accuracies, strict=True):
            results[f"iou/{label}"] = iou
            results[f"accuracy/{label}"] = accuracy
        return results

    def _as_ids(self, labels: np.ndarray, side: str) -> np.ndarray:
        if labels.dtype.kind not in "biuf":
            raise ValueError(f"The field {LABELS!r} of the {side} must hold class ids. Received {labels.dtype}.")
        wrong = (labels < 0) | (labels >= self.num_classes)
        if labels.dtype.kind == "f":
            wrong |= labels != np.floor(labels)  # NaN included: it is not equal to itself
        if wrong.any():
            raise ValueError(
                f"The field {LABELS!r} of the {side} of {self.name!r} holds {np.unique(labels[wrong])[:5].tolist()}, "
                f"which are no class ids in [0, {self.num_classes}) and not `ignore_label` ({self.ignore_label})."
            )
        return labels.astype(np.int64)


def _like(array: np.ndarray, reference: np.ndarray, *, what: str) -> np.ndarray:
    """The array in the shape of the reference, which may differ by a trailing axis of size 1."""
    shape = array.shape
    if shape == reference.shape or (*shape, 1) == reference.shape or shape == (*reference.shape, 1):
        return array.reshape(reference.shape)
    raise ValueError(f"The {what} have shape {shape}, the groundtruth labels {reference.shape}: they must be alike.")


def _share(part: Any, whole: Any) -> float:
    return int(part) / int(whole) if whole else UNDEFINED


def _mean_of_defined(values: Iterable[float]) -> float:
    defined = [value for value in values if value != UNDEFINED]
    return sum(defined) / len(defined) if defined else UNDEFINED
