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
from typing import Any, Literal

import numpy as np
from assay.python_metrics._host_metric import BaseHostMetric
from assay.python_metrics.coco import fields, reference, vectorized
from assay.python_metrics.coco.annotations import Annotations, load
from assay.python_metrics.coco.fields import Batch, Columns, Side, rows_by_id
from assay.python_metrics.coco.keypoints import COCO_SIGMAS
from assay.python_metrics.coco.masks import MaskFormat, listed
from assay.python_metrics.coco.progress import Progress, to_stderr
from assay.python_metrics.coco.protocol import Kind, Protocol, protocol
from assay.python_metrics.coco.question import Curves
from assay.python_metrics.coco.runs import Runs, joined
from assay.python_metrics.coco.scene import Scene, lay_out
from assay.python_metrics.coco.store import Store
from assay.python_metrics.coco.summarize import summarize, summarize_categories

REQUIRED_GROUNDTRUTHS = (fields.SOURCE_ID, fields.COUNT, fields.BOXES, fields.CLASSES)
REQUIRED_PREDICTIONS = (fields.SOURCE_ID, fields.COUNT, fields.FOUND_BOXES, fields.FOUND_CLASSES, fields.SCORES)

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

    The 100 is `max_num_eval_detections` in names and numbers alike; smaller limits are never above it. A number is -1
    when the data does not define it: no category has an object (in that area range), or there is no data at all.
    Without a detection, numbers are 0 where there were objects.

    With `per_category_metrics`, each number comes for each category too: `Precision mAP ByCategory/<name>`,
    `...@50IoU/`, `...@75IoU/`, `... (small)/`, `... (medium)/`, `... (large)/`, `Recall AR@1 ByCategory/<name>`,
    `@10`, `@100`, `Recall AR (small) ByCategory/`, `(medium)`, `(large)`. The name is that of the annotation file or of
    `category_names`, or the id.

    Groundtruth fields, padded to `K` objects (not looked at with an annotation file, and None will do):

    | field | shape | |
    |---|---|---|
    | `source_id` | `[batch]` | integers or text |
    | `num_detections` | `[batch]` | how many of the slots are objects; counts above `K` mean `K` |
    | `boxes` | `[batch, K, 4]` | ymin, xmin, ymax, xmax in pixels of the original image |
    | `classes` | `[batch, K]` | category ids |
    | `is_crowds` | `[batch, K]`, optional | crowds need not be found, and any number of detections may lie in them |
    | `areas` | `[batch, K]`, optional | pixels squared, for the area ranges; height times width of the box without it |

    Prediction fields, padded to `D` detections; the images of a batch may come in another order:

    | field | shape | |
    |---|---|---|
    | `source_id` | `[batch]` | |
    | `num_detections` | `[batch]` | how many of the slots are detections: the others are not looked at |
    | `detection_boxes` | `[batch, D, 4]` | ymin, xmin, ymax, xmax, in pixels of the model's input or of the image |
    | `detection_classes` | `[batch, D]` | |
    | `detection_scores` | `[batch, D]` | |
    | `image_info` | `[batch, 4, 2]` | row 2 is the scale (y, x) from the original image to the model's input |

    Every image of a batch counts, also without a detection; images of an annotation file that never came do not.
    Detections of a category without an annotation are not looked at. Equal scores are ordered by image id, then by
    slot, so that the order of batches does not matter.

    Args:
        annotation_file: Groundtruth in COCO's JSON format; None when it comes with the batches.
        need_rescale_bboxes: Whether detection boxes are in pixels of the model's input; they are then divided by the
            scale in `image_info`.
        per_category_metrics: Whether the result has the numbers of each category.
        max_num_eval_detections: How many detections of an image and category count, the ones with the highest scores.
        engine: "vectorized" (which is also "auto"), or "pycocotools", which needs the extra `coco`.
        duplicates: What to do with an image id that comes again: "first" counts it once, as it came first; "error"
            refuses the batch with a `DuplicateImageError`.
        category_names: Category id to the name to show in results.
        progress: Is told what is being done, and the share of it, when a result takes longer than a few seconds. By
            default that goes to the standard error; None is silent.
        name: Name of the metric.

    Raises:
        ValueError: If an option is out of range, or the annotation file lacks something.

    References:
        Lin et al., "Microsoft COCO: Common Objects in Context", 2014, https://arxiv.org/abs/1405.0312.
        COCO, "Detection Evaluation", https://cocodataset.org/#detection-eval.
    """

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
        self._sigmas = tuple(float(sigma) for sigma in (kpt_oks_sigmas or COCO_SIGMAS)) if include_keypoint else ()
        if not all(sigma > 0 for sigma in self._sigmas):
            raise ValueError(f"`kpt_oks_sigmas` must be positive. Received: {self._sigmas}.")
        self._annotations: Annotations | None = None
        if annotation_file:
            self._annotations = load(annotation_file, with_masks=include_mask, num_keypoints=len(self._sigmas))
        self._options: dict[str, Any] = {
            "annotation_file": fspath(annotation_file) if annotation_file else None,
            "include_mask": bool(include_mask),
            "include_keypoint": bool(include_keypoint),
            "need_rescale_bboxes": bool(need_rescale_bboxes),
            "need_rescale_keypoints": bool(need_rescale_keypoints) and bool(include_keypoint),
            "max_num_eval_detections": int(max_num_eval_detections),
            "kpt_oks_sigmas": self._sigmas,
            "mask_format": mask_format,
            "duplicates": duplicates,
        }
        self._per_category = bool(per_category_metrics)
        self._evaluate = ENGINES[engine]
        self._names = {**(self._annotations.names if self._annotations else {}), **(category_names or {})}
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
        truth: dict[str, np.ndarray] = {}
        required, optional = self._prediction_fields()
        found = self._fields("predictions", _with_listed(predictions, fields.FOUND_MASKS), required, optional)
        if self._annotations is None:
            given = {} if groundtruths is None else groundtruths
            truth = self._fields(
                "groundtruths",
                _with_listed(given, fields.MASKS),
                self._groundtruth_fields(),
                (fields.CROWDS, fields.AREAS),
            )
        self.update(truth, found)

    def update(self, groundtruths: dict[str, np.ndarray], predictions: dict[str, np.ndarray]) -> None:
        """Add a batch of arrays."""
        found = Side("predictions", predictions, slots=fields.FOUND_CLASSES)
        if self._annotations is not None:
            ids = [self._annotations.known_as(identity) for identity in found.ids]
            sizes = self._annotations.sizes[[self._annotations.index[identity] for identity in ids]].reshape(-1, 2)
            detections, masks = self._detections(found, sizes)
            self._store.add(Batch(ids, sizes, _nothing(self._store), detections, joined([]), masks))
            return
        truth = Side("groundtruths", groundtruths, slots=fields.CLASSES)
        row = rows_by_id(truth.ids, found.ids)
        sizes = truth.sizes() if self._options["include_mask"] else np.zeros((len(truth.ids), 2), np.int64)
        objects, object_masks = self._objects(truth, sizes)
        detections, found_masks = self._detections(found, sizes[row])
        detections["row"] = row[found.rows]
        self._store.add(Batch(truth.ids, sizes, objects, detections, object_masks, found_masks))

    def _groundtruth_fields(self) -> tuple[str, ...]:
        """The fields that groundtruths need."""
        with_masks = (fields.HEIGHT, fields.WIDTH, fields.MASKS) if self._options["include_mask"] else ()
        with_keypoints = (fields.KEYPOINTS,) if self._options["include_keypoint"] else ()
        return (*REQUIRED_GROUNDTRUTHS, *with_masks, *with_keypoints)

    def _prediction_fields(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The fields that predictions need, and those that they may have."""
        rescale = self._options["need_rescale_bboxes"] or self._options["need_rescale_keypoints"]
        with_info = (fields.IMAGE_INFO,) if rescale else ()
        with_masks = (fields.FOUND_MASKS,) if self._options["include_mask"] else ()
        with_keypoints = (fields.FOUND_KEYPOINTS,) if self._options["include_keypoint"] else ()
        outer = (fields.OUTER_BOXES,) if self._options["include_mask"] else ()
        return (*REQUIRED_PREDICTIONS, *with_info, *with_masks, *with_keypoints), outer

    def _objects(self, truth: Side, sizes: np.ndarray) -> tuple[Columns, Runs]:
        """Columns and masks of the objects of a batch."""
        boxes, masks = truth.boxes(fields.BOXES), joined([])
        area = boxes[:, 2] * boxes[:, 3]
        if self._options["include_mask"]:
            masks = truth.masks(fields.MASKS, sizes, None, "image")
            area = masks.areas()
        objects = {
            "row": truth.rows,
            "category": truth.classes(fields.CLASSES),
            "box": boxes,
            "area": truth.values(fields.AREAS) if fields.AREAS in truth.fields else area,
            "crowd": truth.flags(fields.CROWDS) if fields.CROWDS in truth.fields else np.zeros(len(boxes), bool),
        }
        if self._options["include_keypoint"]:
            objects["points"], objects["labelled"] = truth.points(fields.KEYPOINTS, len(self._sigmas))
        return objects, masks

    def _detections(self, found: Side, sizes: np.ndarray) -> tuple[Columns, Runs]:
        """Columns and masks of the detections of a batch."""
        scale = found.scale() if fields.IMAGE_INFO in found.fields else None
        box_scale = scale if self._options["need_rescale_bboxes"] else None
        boxes, masks = found.boxes(fields.FOUND_BOXES, box_scale), joined([])
        if self._options["include_mask"]:
            around = found.boxes(fields.OUTER_BOXES, box_scale) if fields.OUTER_BOXES in found.fields else boxes
            masks = found.masks(fields.FOUND_MASKS, sizes, around, self._options["mask_format"])
        detections = {
            "row": found.rows,
            "category": found.classes(fields.FOUND_CLASSES),
            "box": boxes,
            "score": found.values(fields.SCORES),
        }
        if self._options["include_keypoint"]:
            point_scale = scale if self._options["need_rescale_keypoints"] else None
            detections["points"], _ = found.points(fields.FOUND_KEYPOINTS, len(self._sigmas), point_scale)
        return detections, masks

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
            results |= summarize(kind, curves)
            if self._per_category:
                by_category |= summarize_categories(kind, curves, self._names)
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

    def _scene(self) -> Scene:
        return lay_out(self._store, self._annotations, self._sigmas)

    def _protocol(self, kind: Kind) -> Protocol:
        return protocol(kind, self._options["max_num_eval_detections"])

    def _told(self, what: str, share: float) -> None:
        if self._progress is not None:
            self._progress(f"{self.name}: {what}", share)


def _check(option: str, value: object, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ValueError(f"`{option}` must be one of {list(allowed)}. Received: {value!r}.")


def _with_listed(side: Any, field: str) -> Any:
    """A side whose field of masks, if it is a list of lists, is one array of objects."""
    if not isinstance(side, Mapping) or field not in side:
        return side
    return {**side, field: listed(side[field])}


def _nothing(store: Store) -> dict[str, np.ndarray]:
    empty = {name: column[:0] for name, column in store.objects.columns().items()}
    return {"row": empty.pop("image"), **empty}
