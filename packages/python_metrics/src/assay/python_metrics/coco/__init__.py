"""COCO's evaluation of boxes, masks and keypoints, and its form of masks."""

from assay.python_metrics.coco.evaluator import COCOEvaluator
from assay.python_metrics.coco.masks import read_segmentation
from assay.python_metrics.coco.question import Curves
from assay.python_metrics.coco.runs import Runs
from assay.python_metrics.coco.runs import joined as join_runs
from assay.python_metrics.coco.store import DuplicateImageError

__all__ = ["COCOEvaluator", "Curves", "DuplicateImageError", "Runs", "join_runs", "read_segmentation"]
