"""COCO's evaluation of detections, with state in compact arrays and all images matched at once.

```python
import numpy as np
from assay.python_metrics import COCOEvaluator

metric = COCOEvaluator(need_rescale_bboxes=False)
metric.update_state(
    {"source_id": [7], "num_detections": [1], "boxes": [[[10.0, 10, 50, 60]]], "classes": [[1]]},
    {
        "source_id": [7],
        "num_detections": [1],
        "detection_boxes": [[[10.0, 10, 50, 60], [0, 0, 0, 0]]],  # the second row is padding
        "detection_classes": [[1, 0]],
        "detection_scores": [[0.9, 0.0]],
    },
)
metric.result()["AP"]  # 1.0, but for the rounding that COCO's formula has
```
"""

from collections.abc import Callable, Mapping, Sequence
from os import PathLike, fspath
from typing import Any, ClassVar, Literal

import numpy as np
from assay.python_metrics._host_metric import BaseHostMetric
from assay.python_metrics._progress import Progress, to_stderr
from assay.python_metrics.coco import reference, vectorized
from assay.python_metrics.coco.annotations import load
from assay.python_metrics.coco.keypoints import COCO_SIGMAS
from assay.python_metrics.coco.masks import MaskFormat
from assay.python_metrics.coco.protocol import Kind, Protocol, protocol
from assay.python_metrics.coco.question import Curves
from assay.python_metrics.coco.reader import Reader, with_arrays_of_masks
from assay.python_metrics.coco.scene import Scene, lay_out
from assay.python_metrics.coco.store import Store
from assay.python_metrics.coco.summarize import summarize, summarize_categories

Engine = Literal["auto", "vectorized", "pycocotools"]
Duplicates = Literal["first", "error"]
ENGINES = {"auto": vectorized.evaluate, "vectorized": vectorized.evaluate, "pycocotools": reference.evaluate}


class COCOEvaluator(BaseHostMetric):
    """Average precision and recall of detections, as COCO defines them.

    | result | mean over categories and IoU thresholds 0.50, 0.55, ..., 0.95 of |
    |---|---|
    | `AP` | precision, over the recalls 0, 0.01, ..., 1 |
    | `AP50`, `AP75` | the same at one IoU threshold |
    | `APs`, `APm`, `APl` | the same for objects of `area <= 32**2`, up to `96**2`, and from there, pixels squared |
    | `ARmax1`, `ARmax10`, `ARmax100` | recall with the best 1, 10, 100 detections of an image and category |
    | `ARs`, `ARm`, `ARl` | recall by area, with the best 100 detections of an image and category |

    With `include_mask` the same 12 numbers come for masks, as `mask_AP` and so on; with `include_keypoint` 10 for
    keypoints: `keypoint_AP`, `AP50`, `AP75`, `APm`, `APl`, and `keypoint_AR`, `AR50`, `AR75`, `ARm`, `ARl`, with at
    most 20 detections of an image and category, and object keypoint similarity in place of IoU.

    The 100 is `max_num_eval_detections` in names and numbers alike; smaller limits are never above it. A number is -1
    when the data does not define it: no category has an object (in that area range), or there is no data at all.
    Without a detection, numbers are 0 where there were objects.

    With `per_category_metrics`, each number comes for each category too: `Precision mAP ByCategory/<name>`,
    `...@50IoU/`, `...@75IoU/`, `... (small)/`, `... (medium)/`, `... (large)/`, `Recall AR@1 ByCategory/<name>`,
    `@10`, `@100`, `Recall AR (small) ByCategory/`, `(medium)`, `(large)`; before those of masks stands `mask `, before
    those of keypoints `keypoints `. The name is that of the annotation file or of `category_names`, or the id.

    Groundtruth fields, padded to `K` objects (not looked at with an annotation file, and None will do):

    | field | shape | |
    |---|---|---|
    | `source_id` | `[batch]` | integers or text |
    | `num_detections` | `[batch]` | how many of the slots are objects; counts above `K` mean `K` |
    | `boxes` | `[batch, K, 4]` | ymin, xmin, ymax, xmax in pixels of the original image |
    | `classes` | `[batch, K]` | category ids |
    | `is_crowds` | `[batch, K]`, optional | crowds need not be found, and any number of detections may lie in them |
    | `areas` | `[batch, K]`, optional | pixels squared, for the area ranges; without it, of the mask or the box |
    | `masks` | `[batch, K, H, W]` or `[batch, K]` | with `include_mask`: of the whole image, see below |
    | `height`, `width` | `[batch]` | with `include_mask`: size of the original image |
    | `keypoints` | `[batch, K, k, 2]` | with `include_keypoint`: y, x; NaN or the origin where not labelled |

    Prediction fields, padded to `D` detections; the images of a batch may come in another order:

    | field | shape | |
    |---|---|---|
    | `source_id` | `[batch]` | |
    | `num_detections` | `[batch]` | how many of the slots are detections: the others are not looked at |
    | `detection_boxes` | `[batch, D, 4]` | ymin, xmin, ymax, xmax, in pixels of the model's input or of the image |
    | `detection_classes` | `[batch, D]` | |
    | `detection_scores` | `[batch, D]` | |
    | `detection_masks` | `[batch, D, h, w]` or `[batch, D]` | with `include_mask`: values in [0, 1], set above 0.5 |
    | `detection_outer_boxes` | `[batch, D, 4]`, optional | the boxes that masks are for, if not `detection_boxes` |
    | `detection_keypoints` | `[batch, D, k, 2]` | with `include_keypoint`: y, x |
    | `image_info` | `[batch, 4, 2]` | to rescale: row 2 is the scale (y, x) from the original image to the input |

    Masks of detections are for their box, of any resolution (28x28, say), and are laid into the image; or as large as
    the image, or larger where they are padded on the right and below. Masks of either side may also be lists, one an
    image, of masks in COCO's run-length encoding, of PNG files as bytes, or of arrays, whose sizes may then differ.

    Every image of a batch counts, also without a detection; images of an annotation file that never came do not.
    Detections of a category without an annotation are not looked at. Equal scores are ordered by image id, then by
    slot, so that the order of batches does not matter.

    Args:
        annotation_file: Groundtruth in COCO's JSON format; None, or empty, when it comes with the batches.
        include_mask: Whether to evaluate masks too.
        include_keypoint: Whether to evaluate keypoints too.
        need_rescale_bboxes: Whether detection boxes are in pixels of the model's input; they are then divided by the
            scale in `image_info`.
        need_rescale_keypoints: The same for detection keypoints.
        per_category_metrics: Whether the result has the numbers of each category.
        max_num_eval_detections: How many detections of an image and category count, the ones with the highest scores.
        kpt_oks_sigmas: One for each keypoint: the standard deviation of annotators relative to the square root of an
            object's area. COCO's 17 by default.
        mask_format: What arrays of detection masks are: "box", for their box; "image", of the whole image; "auto", of
            the image when they are as large as it is.
        engine: "vectorized" (which is also "auto"), or "pycocotools", which needs the extra `coco`.
        duplicates: What to do with an image id that comes again: "first" counts it once, as it came first; "error"
            refuses the batch with a `DuplicateImageError`.
        category_names: Category id to the name to show in results.
        progress: Is told what is being done, and the share of it, when a result takes longer than a few seconds. By
            default that goes to the standard error; None is silent. A metric that is sent by pickle needs a function
            that can be.
        name: Name of the metric.

    Raises:
        ValueError: If an option is out of range, or the annotation file lacks something.

    References:
        Lin et al., "Microsoft COCO: Common Objects in Context", 2014, https://arxiv.org/abs/1405.0312.
        COCO, "Detection Evaluation" and "Keypoint Evaluation", https://cocodataset.org/#detection-eval.
    """

    # Whether images say which categories are known to be absent, or not all annotated.
    _federated: ClassVar[bool] = False

    def __init__(
        self,
        annotation_file: str | PathLike[str] | None = None,
        include_mask: bool = False,
        *,
        include_keypoint: bool = False,
        need_rescale_bboxes: bool = True,
        need_rescale_keypoints: bool = False,
        per_category_metrics: bool = False,
        max_num_eval_detections: int = 100,
        kpt_oks_sigmas: Sequence[float] | None = None,
        mask_format: MaskFormat = "auto",
        engine: Engine = "auto",
        duplicates: Duplicates = "first",
        category_names: Mapping[int, str] | None = None,
        progress: Callable[[str, float], None] | None = to_stderr,
        name: str = "coco_metric",
    ) -> None:
        _check("engine", engine, tuple(ENGINES))
        _check("duplicates", duplicates, ("first", "error"))
        _check("mask_format", mask_format, ("auto", "box", "image"))
        if isinstance(max_num_eval_detections, bool) or not isinstance(max_num_eval_detections, int | np.integer):
            raise ValueError(f"`max_num_eval_detections` must be an integer. Received: {max_num_eval_detections!r}.")
        if max_num_eval_detections < 1:
            raise ValueError(f"`max_num_eval_detections` must be at least 1. Received: {max_num_eval_detections!r}.")
        sigmas = COCO_SIGMAS if kpt_oks_sigmas is None else kpt_oks_sigmas
        self._sigmas = tuple(float(sigma) for sigma in sigmas) if include_keypoint else ()
        if not all(sigma > 0 for sigma in self._sigmas) or (include_keypoint and not self._sigmas):
            raise ValueError(f"`kpt_oks_sigmas` must be positive numbers. Received: {self._sigmas}.")
        annotations = None
        if annotation_file:
            annotations = load(
                annotation_file,
                with_masks=bool(include_mask),
                num_keypoints=len(self._sigmas),
                federated=self._federated,
            )
        self._reader = Reader(
            annotations=annotations,
            include_mask=bool(include_mask),
            num_keypoints=len(self._sigmas),
            need_rescale_bboxes=bool(need_rescale_bboxes),
            need_rescale_keypoints=bool(need_rescale_keypoints and include_keypoint),
            mask_format=mask_format,
            federated=self._federated,
        )
        self._options: dict[str, Any] = {
            "annotation_file": fspath(annotation_file) if annotation_file else None,
            "include_mask": bool(include_mask),
            "include_keypoint": bool(include_keypoint),
            "need_rescale_bboxes": bool(need_rescale_bboxes),
            "need_rescale_keypoints": self._reader.need_rescale_keypoints,
            "max_num_eval_detections": int(max_num_eval_detections),
            "kpt_oks_sigmas": self._sigmas,
            "mask_format": mask_format,
            "duplicates": duplicates,
        }
        self._per_category = bool(per_category_metrics)
        self._evaluate = ENGINES[engine]
        of_file = annotations.names if annotations is not None else {}
        self._names = {**of_file, **(category_names or {})}
        self._progress = progress
        self._kinds = (
            Kind.BOXES,
            *([Kind.MASKS] if include_mask else []),
            *([Kind.KEYPOINTS] if include_keypoint else []),
        )
        super().__init__(name=name)

    def options(self) -> dict[str, Any]:
        """What must be equal for two evaluators to be merged."""
        return dict(self._options)

    def reset_state(self) -> None:
        """Forget all batches; the annotation file stays."""
        refuse = self._options["duplicates"] == "error"
        self._store = Store(refuse_duplicates=refuse, num_keypoints=len(self._sigmas))

    def update_state(self, groundtruths: Mapping[str, Any] | None, predictions: Mapping[str, Any]) -> None:
        """Add a batch; on an error the state is as it was.

        Args:
            groundtruths: The fields of the class's first table; None, or anything, with an annotation file.
            predictions: The fields of the class's second table. Values are arrays, tensors, or tuples of those of each
                replica.

        Raises:
            MissingFieldError: If a required field is missing.
            TypeError: If an argument is no mapping.
            ValueError: If a field cannot be used, or the two sides are not about the same images.
            DuplicateImageError: If an image came before, with `duplicates="error"`.
        """
        reader = self._reader
        found = self._fields("predictions", with_arrays_of_masks(predictions), *reader.prediction_fields())
        truth: dict[str, np.ndarray] = {}
        if reader.annotations is None:
            given = with_arrays_of_masks({} if groundtruths is None else groundtruths)
            truth = self._fields("groundtruths", given, *reader.groundtruth_fields())
        self.update(truth, found)

    def update(self, groundtruths: dict[str, np.ndarray], predictions: dict[str, np.ndarray]) -> None:
        """Add a batch of arrays."""
        self._store.add(self._reader.read(groundtruths, predictions))

    def merge(self, other: "COCOEvaluator") -> None:
        """Add the images of another evaluator."""
        self._store.merge(other._store)

    def result(self) -> dict[str, float]:
        """Every number of the table of the class, by name; changes nothing."""
        scene = self._scene()
        progress = Progress(self._told)
        results: dict[str, float] = {}
        by_category: dict[str, float] = {}
        for kind in self._kinds:
            curves = self._evaluate(scene, self._protocol(kind), progress, all_limits=False)
            results |= self._summary(kind, curves)
            if self._per_category:
                by_category |= self._summary_of_categories(kind, curves)
        return results | by_category

    def evaluate(self) -> dict[str, float]:
        """The same as `result`."""
        return self.result()

    def curves(self, kind: str = Kind.BOXES.value) -> Curves:
        """Precision and recall over all thresholds, categories, area ranges and limits.

        Args:
            kind: "bbox"; "segm" with masks; "keypoints" with keypoints.

        Raises:
            ValueError: If the evaluator does not evaluate this kind.
        """
        _check("kind", kind, tuple(one.value for one in self._kinds))
        return self._evaluate(self._scene(), self._protocol(Kind(kind)), Progress(self._told), all_limits=True)

    def _summary(self, kind: Kind, curves: Curves) -> dict[str, float]:
        return summarize(kind, curves)

    def _summary_of_categories(self, kind: Kind, curves: Curves) -> dict[str, float]:
        return summarize_categories(kind, curves, self._names)

    def _scene(self) -> Scene:
        return lay_out(self._store, self._reader.annotations, self._sigmas)

    def _protocol(self, kind: Kind) -> Protocol:
        return protocol(kind, self._options["max_num_eval_detections"])

    def _told(self, what: str, share: float) -> None:
        if self._progress is not None:
            self._progress(f"{self.name}: {what}", share)


def _check(option: str, value: object, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ValueError(f"`{option}` must be one of {list(allowed)}. Received: {value!r}.")
