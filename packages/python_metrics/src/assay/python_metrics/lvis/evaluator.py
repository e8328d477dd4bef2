"""LVIS's evaluation of detections: average precision where not every category is annotated in every image.

```python
import numpy as np
from assay.python_metrics import LVISEvaluator

metric = LVISEvaluator(need_rescale_bboxes=False, category_frequencies={5: "r", 8: "f"})
box = [10.0, 10, 50, 60]
metric.update_state(
    {
        "source_id": [7],
        "num_detections": [1],
        "boxes": [[box]],
        "classes": [[5]],
        "neg_category_ids": [[8, -1]],  # the image has no 8; of other categories nothing is known
        "not_exhaustive_category_ids": [[-1]],
    },
    {
        "source_id": [7],
        "num_detections": [2],
        "detection_boxes": [[box, box]],
        "detection_classes": [[5, 6]],  # the 6 may be right or wrong: it does not count
        "detection_scores": [[0.9, 0.95]],
    },
)
metric.result()["APr"]  # 1.0, but for the rounding that the formula has
```
"""

from collections.abc import Callable, Mapping
from os import PathLike
from typing import Literal

from assay.python_metrics._progress import to_stderr
from assay.python_metrics.coco.evaluator import COCOEvaluator, Duplicates
from assay.python_metrics.coco.masks import MaskFormat
from assay.python_metrics.coco.protocol import Kind, Protocol, federated_protocol
from assay.python_metrics.coco.question import Curves
from assay.python_metrics.coco.scene import Scene, lay_out
from assay.python_metrics.coco.summarize import (
    FEDERATED_NUMBERS,
    FREQUENCIES,
    summarize,
    summarize_categories,
)
from assay.python_metrics.lvis.federated import federated

Frequency = Literal["r", "c", "f"]
MOST_DETECTIONS = 300  # of an image, all categories together


class LVISEvaluator(COCOEvaluator):
    """Average precision and recall of detections on a federated dataset, as LVIS defines them.

    In such a dataset an image is annotated for a few categories only. Of each image it is said which categories it has
    objects of, which ones it is known not to have (`neg_category_ids`), and of which ones not every object is annotated
    (`not_exhaustive_category_ids`). A detection of any other category is not looked at; one of a category of which not
    every object is annotated is not held against the detector when it matches none. All else is as `COCOEvaluator` has
    it, but that the best `max_num_eval_detections` of an image count, whatever their categories, that there are no
    crowds, and that objects and detections without an area are not looked at.

    | result | mean over categories and IoU thresholds 0.50, 0.55, ..., 0.95 of |
    |---|---|
    | `AP` | precision, over the recalls 0, 0.01, ..., 1 |
    | `AP50`, `AP75` | the same at one IoU threshold |
    | `APs`, `APm`, `APl` | the same for objects of `area <= 32**2`, up to `96**2`, and from there, pixels squared |
    | `APr`, `APc`, `APf` | the same for the rare, common and frequent categories |
    | `AR@300` | recall |
    | `ARs@300`, `ARm@300`, `ARl@300` | recall by area |

    The 300 is `max_num_eval_detections`. With `include_mask` the same 13 come for masks, as `mask_AP` and so on; with
    `per_category_metrics` all but `APr`, `APc`, `APf` come for each category, by the names of `COCOEvaluator`. A number
    is -1 when the data does not define it.

    Groundtruth fields are those of `COCOEvaluator`, and two more, which an annotation file has for each image:

    | field | shape | |
    |---|---|---|
    | `neg_category_ids` | `[batch, N]` | categories that the image is known not to have, padded with -1 |
    | `not_exhaustive_category_ids` | `[batch, M]` | categories that it may have more objects of, padded with -1 |

    Prediction fields are those of `COCOEvaluator`.

    Args:
        annotation_file: Groundtruth in LVIS's JSON format; None when it comes with the batches. Polygons of masks need
            the extra `coco`.
        include_mask: Whether to evaluate masks too.
        need_rescale_bboxes: As for `COCOEvaluator`.
        per_category_metrics: Whether the result has the numbers of each category.
        max_num_eval_detections: How many detections of an image count, the ones with the highest scores.
        mask_format: As for `COCOEvaluator`.
        duplicates: As for `COCOEvaluator`.
        category_names: Category id to the name to show in results.
        category_frequencies: Category id to "r", "c" or "f": whether it is in at most 10, at most 100, or more images
            of the training data. By default what the annotation file says; without either, `APr`, `APc` and `APf` are
            -1.
        progress: As for `COCOEvaluator`.
        name: Name of the metric.

    Raises:
        ValueError: If an option is out of range, or the annotation file lacks something.

    References:
        Gupta, Dollar, Girshick, "LVIS: A Dataset for Large Vocabulary Instance Segmentation", sections 2 and 3, CVPR
        2019, https://arxiv.org/abs/1908.03195.
    """

    _federated = True

    def __init__(
        self,
        annotation_file: str | PathLike[str] | None = None,
        include_mask: bool = False,
        *,
        need_rescale_bboxes: bool = True,
        per_category_metrics: bool = False,
        max_num_eval_detections: int = MOST_DETECTIONS,
        mask_format: MaskFormat = "auto",
        duplicates: Duplicates = "first",
        category_names: Mapping[int, str] | None = None,
        category_frequencies: Mapping[int, Frequency] | None = None,
        progress: Callable[[str, float], None] | None = to_stderr,
        name: str = "lvis_metric",
    ) -> None:
        super().__init__(
            annotation_file,
            include_mask,
            need_rescale_bboxes=need_rescale_bboxes,
            per_category_metrics=per_category_metrics,
            max_num_eval_detections=max_num_eval_detections,
            mask_format=mask_format,
            duplicates=duplicates,
            category_names=category_names,
            progress=progress,
            name=name,
        )
        of_file = self._reader.annotations.frequencies if self._reader.annotations is not None else {}
        self._frequencies: dict[int, str] = {**of_file, **(category_frequencies or {})}
        wrong = {category: one for category, one in self._frequencies.items() if one not in FREQUENCIES}
        if wrong:
            raise ValueError(f"The frequency of a category must be one of {list(FREQUENCIES)}. Received: {wrong}.")

    def _summary(self, kind: Kind, curves: Curves) -> dict[str, float]:
        return summarize(kind, curves, numbers=FEDERATED_NUMBERS, frequencies=self._frequencies)

    def _summary_of_categories(self, kind: Kind, curves: Curves) -> dict[str, float]:
        return summarize_categories(kind, curves, self._names, numbers=FEDERATED_NUMBERS)

    def _scene(self) -> Scene:
        most = self._options["max_num_eval_detections"]
        return federated(lay_out(self._store, self._reader.annotations, most_an_image=most))

    def _protocol(self, kind: Kind) -> Protocol:
        return federated_protocol(kind, self._options["max_num_eval_detections"])
