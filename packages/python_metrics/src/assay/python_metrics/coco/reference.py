"""The engine that everyone compares with: pycocotools, fed from the same state."""

import contextlib
import importlib
import io
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from assay.python_metrics._progress import Progress
from assay.python_metrics.coco.fields import Columns
from assay.python_metrics.coco.protocol import Kind, Protocol
from assay.python_metrics.coco.question import Curves
from assay.python_metrics.coco.rle import encode
from assay.python_metrics.coco.runs import Runs
from assay.python_metrics.coco.scene import Scene

CALLS_BETWEEN_LOOKS = 64  # at the clock: some 10 ms


def evaluate(scene: Scene, protocol: Protocol, progress: Progress, *, all_limits: bool) -> Curves:
    """Evaluate one kind with pycocotools' COCOeval; arguments and result as those of the vectorized engine.

    Raises:
        ImportError: If pycocotools is not installed.
    """
    shape = (len(protocol.iou_thresholds), len(scene.categories), len(protocol.area_ranges), len(protocol.limits))
    precision = np.full((shape[0], len(protocol.recall_thresholds), *shape[1:]), -1.0)
    recall = np.full(shape, -1.0)
    if scene.num_images and scene.categories:
        coco, cocoeval = modules()
        telling = _telling(cocoeval.COCOeval, progress.of(f"evaluating {protocol.kind.value} with pycocotools"))
        with contextlib.redirect_stdout(io.StringIO()):
            scores = _scores(scene, protocol, coco.COCO, telling)
        precision, recall = scores["precision"], scores["recall"]
    return Curves(
        precision=precision,
        recall=recall,
        iou_thresholds=protocol.iou_thresholds,
        recall_thresholds=protocol.recall_thresholds,
        categories=scene.categories,
        area_ranges=tuple(protocol.area_ranges),
        limits=protocol.limits,
    )


def _scores(scene: Scene, protocol: Protocol, index: Any, evaluation: Any) -> dict[str, Any]:
    truth, found = index(), index()
    images = [
        {"id": rank, "height": height, "width": width} for rank, (height, width) in enumerate(scene.sizes.tolist())
    ]
    categories = [{"id": index} for index in range(len(scene.categories))]
    for tool, annotations in ((truth, _objects(scene, protocol)), (found, _detections(scene, protocol))):
        tool.dataset = {"images": images, "categories": categories, "annotations": annotations}
        tool.createIndex()
    scorer = evaluation(truth, found, protocol.kind.value)
    scorer.params.maxDets = list(protocol.limits)
    scorer.params.iouThrs = protocol.iou_thresholds
    scorer.params.recThrs = protocol.recall_thresholds
    scorer.params.areaRng = [list(bounds) for bounds in protocol.area_ranges.values()]
    scorer.params.areaRngLbl = list(protocol.area_ranges)
    if protocol.kind is Kind.KEYPOINTS:
        scorer.params.kpt_oks_sigmas = np.array(scene.sigmas)
    scorer.evaluate()
    scorer.accumulate()
    return scorer.eval


def _telling(base: Any, tell: Callable[[float], None]) -> Any:
    """COCOeval that says how far it is: it goes through images and categories, and then through area ranges as well."""
    stdout = sys.stdout  # what pycocotools prints is thrown away; what the user's function prints must not be

    class Telling(base):
        done = 0

        def tell(self) -> None:
            self.done += 1
            if self.done % CALLS_BETWEEN_LOOKS == 0:
                pairs = len(self.params.imgIds) * len(self.params.catIds)
                with contextlib.redirect_stdout(stdout):
                    tell(self.done / (pairs * (1 + len(self.params.areaRng))))

        def computeIoU(self, *pair: Any) -> Any:  # noqa: N802 (its name there)
            self.tell()
            return super().computeIoU(*pair)

        def computeOks(self, *pair: Any) -> Any:  # noqa: N802
            self.tell()
            return super().computeOks(*pair)

        def evaluateImg(self, *which: Any) -> Any:  # noqa: N802
            self.tell()
            return super().evaluateImg(*which)

    return Telling


def modules() -> tuple[Any, Any]:
    """Import pycocotools' `coco` and `cocoeval`.

    Raises:
        ImportError: If pycocotools is not installed; says how to install it.
    """
    try:
        return importlib.import_module("pycocotools.coco"), importlib.import_module("pycocotools.cocoeval")
    except ImportError as error:
        raise ImportError('This needs pycocotools: pip install "assay-python-metrics[coco]".') from error


def _objects(scene: Scene, protocol: Protocol) -> list[dict[str, Any]]:
    # Ids start at 1: to pycocotools, a detection matched with object 0 is not matched.
    made = [
        {"id": number, "image_id": image, "category_id": category, "bbox": box, "area": area, "iscrowd": int(crowd)}
        for number, (image, category, box, area, crowd) in enumerate(
            _rows(scene.objects, "image", "category", "box", "area", "crowd"), start=1
        )
    ]
    if protocol.kind is Kind.MASKS:
        _add_masks(made, scene.object_masks, scene.objects, scene.sizes)
    if protocol.kind is Kind.KEYPOINTS:
        for one, points, labelled in zip(made, scene.objects["points"], scene.objects["labelled"], strict=True):
            one["keypoints"] = np.concatenate([points, 2.0 * labelled[:, None]], axis=1).ravel().tolist()
            one["num_keypoints"] = int(labelled.sum())
    return made


def _detections(scene: Scene, protocol: Protocol) -> list[dict[str, Any]]:
    columns = {**scene.detections, "area": scene.found_areas(protocol.kind)}
    made = [
        {"id": number, "image_id": image, "category_id": category, "bbox": box, "score": score, "area": area}
        for number, (image, category, box, score, area) in enumerate(
            _rows(columns, "image", "category", "box", "score", "area"), start=1
        )
    ]
    if protocol.kind is Kind.MASKS:
        _add_masks(made, scene.found_masks, scene.detections, scene.sizes)
    if protocol.kind is Kind.KEYPOINTS:
        for one, points in zip(made, scene.detections["points"], strict=True):
            one["keypoints"] = np.insert(points, 2, 2, axis=1).ravel().tolist()
    return made


def _rows(columns: Columns, *names: str) -> Iterator[tuple[Any, ...]]:
    return zip(*(columns[name].tolist() for name in names), strict=True)


def _add_masks(made: list[dict[str, Any]], masks: Runs, columns: Columns, sizes: np.ndarray) -> None:
    encoded = encode(masks.take(columns["mask"]), sizes[columns["image"]])
    for one, mask in zip(made, encoded, strict=True):
        one["segmentation"] = mask
