"""The engine of this package: all images, categories, area ranges and thresholds at once, in NumPy."""

import numpy as np
from assay.python_metrics._progress import Progress
from assay.python_metrics.coco.accumulate import UNDEFINED, accumulate
from assay.python_metrics.coco.blocks import blocks
from assay.python_metrics.coco.matching import match
from assay.python_metrics.coco.protocol import Protocol
from assay.python_metrics.coco.question import Curves
from assay.python_metrics.coco.scene import Scene

DETECTIONS_AT_ONCE = 2**17


def evaluate(scene: Scene, protocol: Protocol, progress: Progress, *, all_limits: bool) -> Curves:
    """Evaluate one kind.

    Args:
        scene: All images.
        protocol: What is asked.
        progress: Is told how far it is.
        all_limits: Whether precision is wanted for all limits; else those but the last are left out of it.

    Returns:
        Precision (for the last limit, or for all) and recall.
    """
    question = scene.question(protocol.kind)
    limits = range(len(protocol.limits)) if all_limits else [len(protocol.limits) - 1]
    axes = (len(scene.categories), len(protocol.area_ranges))
    thresholds = (len(protocol.iou_thresholds), len(protocol.recall_thresholds))
    precision = np.full((*thresholds, *axes, len(limits)), UNDEFINED)
    recall = np.full((thresholds[0], *axes, len(protocol.limits)), UNDEFINED)
    done, total = 0, max(len(question.detections.score), 1)
    for categories, part in blocks(question, DETECTIONS_AT_ONCE):
        end = done + len(part.detections.score)
        matches = match(part, protocol, progress.of(f"matching {protocol.kind.value}", done / total, end / total))
        precision[:, :, categories], recall[:, categories] = accumulate(matches, part, protocol, limits)
        done = end
    return Curves(
        precision=precision,
        recall=recall,
        iou_thresholds=protocol.iou_thresholds,
        recall_thresholds=protocol.recall_thresholds,
        categories=scene.categories,
        area_ranges=tuple(protocol.area_ranges),
        limits=protocol.limits,
    )
