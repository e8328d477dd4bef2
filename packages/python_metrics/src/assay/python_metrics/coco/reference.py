"""The engine that everyone compares with: pycocotools, fed from the same state."""

import contextlib
import importlib
import io
from typing import Any

import numpy as np
from assay.python_metrics.coco.progress import Progress
from assay.python_metrics.coco.protocol import Protocol
from assay.python_metrics.coco.question import Curves
from assay.python_metrics.coco.scene import Scene


def evaluate(scene: Scene, protocol: Protocol, progress: Progress, *, all_limits: bool) -> Curves:
    """Evaluate one kind with pycocotools' COCOeval; arguments and result as those of the vectorized engine.

    Raises:
        ImportError: If pycocotools is not installed.
    """
    progress.of(f"evaluating {protocol.kind.value} with pycocotools")(0.0)
    shape = (len(protocol.iou_thresholds), len(scene.categories), len(protocol.area_ranges), len(protocol.limits))
    precision = np.full((shape[0], len(protocol.recall_thresholds), *shape[1:]), -1.0)
    recall = np.full(shape, -1.0)
    if scene.num_images and scene.categories:
        with contextlib.redirect_stdout(io.StringIO()):
            scores = _scores(scene, protocol)
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


def _scores(scene: Scene, protocol: Protocol) -> dict[str, Any]:
    coco, cocoeval = modules()
    truth, found = coco.COCO(), coco.COCO()
    images = [{"id": rank} for rank in range(scene.num_images)]
    categories = [{"id": index} for index in range(len(scene.categories))]
    for tool, annotations in ((truth, _objects(scene)), (found, _detections(scene, protocol))):
        tool.dataset = {"images": images, "categories": categories, "annotations": annotations}
        tool.createIndex()
    scorer = cocoeval.COCOeval(truth, found, protocol.kind.value)
    scorer.params.maxDets = list(protocol.limits)
    scorer.params.iouThrs = protocol.iou_thresholds
    scorer.params.recThrs = protocol.recall_thresholds
    scorer.params.areaRng = [list(bounds) for bounds in protocol.area_ranges.values()]
    scorer.params.areaRngLbl = list(protocol.area_ranges)
    scorer.evaluate()
    scorer.accumulate()
    return scorer.eval


def modules() -> tuple[Any, Any]:
    """Import pycocotools' `coco` and `cocoeval`.

    Raises:
        ImportError: If pycocotools is not installed; says how to install it.
    """
    try:
        return importlib.import_module("pycocotools.coco"), importlib.import_module("pycocotools.cocoeval")
    except ImportError as error:
        raise ImportError('This needs pycocotools: pip install "assay-python-metrics[coco]".') from error


def _objects(scene: Scene) -> list[dict[str, Any]]:
    columns = {name: column.tolist() for name, column in scene.objects.items()}
    rows = zip(*(columns[name] for name in ("image", "category", "box", "area", "crowd")), strict=True)
    # Ids start at 1: to pycocotools, a detection matched with object 0 is not matched.
    return [
        {"id": number, "image_id": image, "category_id": category, "bbox": box, "area": area, "iscrowd": int(crowd)}
        for number, (image, category, box, area, crowd) in enumerate(rows, start=1)
    ]


def _detections(scene: Scene, protocol: Protocol) -> list[dict[str, Any]]:
    columns = {name: column.tolist() for name, column in scene.detections.items()}
    areas = scene.found_areas(protocol.kind).tolist()
    rows = zip(*(columns[name] for name in ("image", "category", "box", "score")), areas, strict=True)
    return [
        {"id": number, "image_id": image, "category_id": category, "bbox": box, "score": score, "area": area}
        for number, (image, category, box, score, area) in enumerate(rows, start=1)
    ]
