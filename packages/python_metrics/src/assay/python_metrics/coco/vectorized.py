"""The engine of this package: all images, categories, area ranges and thresholds at once, in NumPy."""

from assay.python_metrics.coco.accumulate import accumulate
from assay.python_metrics.coco.matching import match
from assay.python_metrics.coco.progress import Progress
from assay.python_metrics.coco.protocol import Protocol
from assay.python_metrics.coco.question import Curves
from assay.python_metrics.coco.scene import Scene


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
    matches = match(question, protocol, progress.of(f"matching {protocol.kind.value}"))
    precision, recall = accumulate(matches, question, protocol, limits)
    return Curves(
        precision=precision,
        recall=recall,
        iou_thresholds=protocol.iou_thresholds,
        recall_thresholds=protocol.recall_thresholds,
        categories=scene.categories,
        area_ranges=tuple(protocol.area_ranges),
        limits=protocol.limits,
    )
