"""Average precision of detections by the rules of the PASCAL VOC challenges, 2007 and from 2010 on.

```python
import numpy as np
from assay.python_metrics import VOCEvaluator

metric = VOCEvaluator(class_names={1: "cat", 2: "dog"})
metric.update_state(
    {"source_id": ["a"], "num_detections": [2], "boxes": [[[0.0, 0, 9, 9], [20, 20, 40, 40]]], "classes": [[1, 2]]},
    {
        "source_id": ["a"],
        "num_detections": [1],
        "detection_boxes": [[[0.0, 0, 9, 8], [0, 0, 0, 0]]],  # the second row is padding
        "detection_classes": [[1, 0]],
        "detection_scores": [[0.9, 0.0]],
    },
)
metric.result()  # {"mAP": 0.5, "AP/cat": 1.0, "AP/dog": 0.0}
```
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from assay.python_metrics._host_metric import UNDEFINED, BaseHostMetric
from assay.python_metrics.voc.average_precision import area, eleven_points
from assay.python_metrics.voc.batches import (
    BOXES,
    CLASSES,
    DETECTION_BOXES,
    DETECTION_CLASSES,
    DETECTION_SCORES,
    IS_DIFFICULT,
    NUM_DETECTIONS,
    SOURCE_ID,
    Image,
    images_of,
)
from assay.python_metrics.voc.matching import DIFFICULT, NOTHING, best_objects

AVERAGE_PRECISION = {2007: eleven_points, 2010: area}


class VOCEvaluator(BaseHostMetric):
    """Average precision by class, and its mean, as the PASCAL VOC devkit computes them.

    A detection belongs to the object of its class in its image that it overlaps most, if their intersection over union
    is at least `iou_threshold`. Detections are taken from the highest score down over all images: the first of an
    object is right; a further one of the same object is wrong, as is one of no object. A *difficult* object need not be
    found, and a detection that belongs to one counts neither way.

    | result | |
    |---|---|
    | `AP/<class>` | 2007: mean, over the recalls 0, 0.1, ..., 1, of the best precision at that recall or a higher one |
    | | 2010: area under the precision so interpolated, over all recalls |
    | `mAP` | mean over the classes that have an object that is not difficult |

    A class has a number if an object of it came, or if `class_names` has it; the number is -1 (`UNDEFINED`) if all its
    objects are difficult, or it has none, and then it is left out of the mean. Detections of other classes are not
    looked at. An image without a detection counts. Without data, `mAP` is -1.

    Groundtruth fields, padded to any number of slots:

    | field | shape | |
    |---|---|---|
    | `source_id` | `[batch]` | integers or text |
    | `num_detections` | `[batch]` | how many of the slots are objects |
    | `boxes` | `[batch, slots, 4]` | ymin, xmin, ymax, xmax, in the units of the detections |
    | `classes` | `[batch, slots]` | class ids |
    | `is_difficult` | `[batch, slots]`, optional | 0 or 1 |

    Prediction fields: `source_id`, `num_detections`, `detection_boxes` `[batch, slots, 4]` (ymin, xmin, ymax, xmax),
    `detection_classes` and `detection_scores` `[batch, slots]`; the images of a batch may come in another order than in
    the groundtruths.

    Equal scores are ordered by image id, then by slot, so that the order of batches does not matter.

    Args:
        year: 2007 for the interpolation at 11 recalls, 2010 for the area.
        iou_threshold: Least intersection over union, above 0, at most 1.
        inclusive_boxes: Whether boxes end at the last pixel that belongs to them, as in VOC's own annotation files
            (sides are then `ymax - ymin + 1`). Otherwise coordinates are continuous, as everywhere in this package.
        class_names: Class ids to names for the results; a class without one goes by its id.
        duplicates: What to do with an image that came before: `first` counts the first one only, `error` refuses.
        name: Name of the metric.

    Raises:
        ValueError: If an option is out of range.

    References:
        Everingham, Van Gool, Williams, Winn, Zisserman, "The PASCAL Visual Object Classes (VOC) Challenge", section
        4.2, 2010; the development kits of 2007 and 2010 (`VOCevaldet.m`).
    """

    required_groundtruths = (SOURCE_ID, NUM_DETECTIONS, BOXES, CLASSES)
    optional_groundtruths = (IS_DIFFICULT,)
    required_predictions = (SOURCE_ID, NUM_DETECTIONS, DETECTION_BOXES, DETECTION_CLASSES, DETECTION_SCORES)

    def __init__(
        self,
        *,
        year: Literal[2007, 2010] = 2010,
        iou_threshold: float = 0.5,
        inclusive_boxes: bool = False,
        class_names: Mapping[int, str] | None = None,
        duplicates: Literal["first", "error"] = "first",
        name: str = "voc_metric",
    ) -> None:
        if year not in AVERAGE_PRECISION:
            raise ValueError(f"`year` must be 2007 or 2010. Received {year!r}.")
        if not 0 < iou_threshold <= 1:
            raise ValueError(f"`iou_threshold` must be above 0, at most 1. Received {iou_threshold!r}.")
        if duplicates not in ("first", "error"):
            raise ValueError(f"`duplicates` must be 'first' or 'error'. Received {duplicates!r}.")
        names = {int(class_id): str(label) for class_id, label in (class_names or {}).items()}
        if len(set(names.values())) < len(names):
            raise ValueError(f"`class_names` must give each class a name of its own. Received {names}.")
        self.year = year
        self.iou_threshold = float(iou_threshold)
        self.inclusive_boxes = bool(inclusive_boxes)
        self.class_names = names
        self.duplicates = duplicates
        super().__init__(name=name)

    def options(self) -> dict[str, Any]:
        """What must be equal for two metrics to be merged."""
        return {
            "year": self.year,
            "iou_threshold": self.iou_threshold,
            "inclusive_boxes": self.inclusive_boxes,
            "class_names": self.class_names,
            "duplicates": self.duplicates,
        }

    def reset_state(self) -> None:
        """Forget all batches."""
        self._images: dict[str, _Counted] = {}

    def update(self, groundtruths: dict[str, np.ndarray], predictions: dict[str, np.ndarray]) -> None:
        """Match the detections of each new image with its objects."""
        new = list(images_of(groundtruths, predictions, refuse_repeated=self.duplicates == "error"))
        self._refuse_repetition([image.identity for image in new])
        for image in new:
            if image.identity not in self._images:
                self._images[image.identity] = self._count(image)

    def merge(self, other: "VOCEvaluator") -> None:
        """Add the images of another metric."""
        self._refuse_repetition(list(other._images))
        self._images = other._images | self._images

    def result(self) -> dict[str, float]:
        """`mAP`, and `AP/<class>` of each class, by id."""
        images = [self._images[identity] for identity in sorted(self._images)]
        objects = _joined([image.object_classes for image in images], np.int64)
        difficult = _joined([image.object_difficult for image in images], bool)
        classes = _joined([image.classes for image in images], np.int64)
        scores = _joined([image.scores for image in images], np.float64)
        # Objects are numbered through all images; the two special numbers, which are negative, stay.
        starts = np.cumsum([0, *(len(image.object_classes) for image in images)])[: len(images)]
        belongs = _joined(
            [
                np.where(image.belongs >= 0, image.belongs + start, image.belongs)
                for image, start in zip(images, starts, strict=True)
            ],
            np.int64,
        )
        precisions = {}
        for class_id in sorted(set(objects.tolist()) | set(self.class_names)):
            positives = int((~difficult[objects == class_id]).sum())
            of_class = classes == class_id
            precisions[class_id] = (
                self._average_precision(scores[of_class], belongs[of_class], positives) if positives else UNDEFINED
            )
        defined = [value for value in precisions.values() if value != UNDEFINED]
        results = {"mAP": sum(defined) / len(defined) if defined else UNDEFINED}
        for class_id, value in precisions.items():
            results[f"AP/{self.class_names.get(class_id, class_id)}"] = value
        return results

    def _average_precision(self, scores: np.ndarray, belongs: np.ndarray, positives: int) -> float:
        order = np.argsort(-scores, kind="stable")
        belongs = belongs[order]
        belongs = belongs[belongs != DIFFICULT]
        right = np.zeros(len(belongs), bool)
        _, first = np.unique(belongs, return_index=True)
        right[first] = True
        right &= belongs != NOTHING
        hits = np.cumsum(right)
        recall = hits / positives
        precision = hits / np.arange(1, len(hits) + 1)
        return AVERAGE_PRECISION[self.year](recall, precision)

    def _count(self, image: Image) -> "_Counted":
        return _Counted(
            image.classes,
            image.difficult,
            image.found_classes,
            image.scores,
            best_objects(image, iou_threshold=self.iou_threshold, inclusive=self.inclusive_boxes),
        )

    def _refuse_repetition(self, identities: Sequence[str]) -> None:
        repeated = [identity for identity in identities if identity in self._images]
        if repeated and self.duplicates == "error":
            raise ValueError(
                f"The image {repeated[0]!r} ({SOURCE_ID}) came before ({len(repeated)} such images): `duplicates` is "
                "'error'. Is the dataset repeated, or padded with images to fill the last batch?"
            )


class _Counted:
    """What is kept of an image: nothing but what the result needs, no box."""

    def __init__(
        self,
        object_classes: np.ndarray,
        object_difficult: np.ndarray,
        classes: np.ndarray,
        scores: np.ndarray,
        belongs: np.ndarray,
    ) -> None:
        self.object_classes = object_classes
        self.object_difficult = object_difficult
        self.classes = classes
        self.scores = scores
        self.belongs = belongs


def _joined(arrays: Sequence[np.ndarray], dtype: Any) -> np.ndarray:
    return np.concatenate([np.zeros(0, dtype), *arrays])
