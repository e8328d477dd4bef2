"""COCO's evaluation of boxes, masks and keypoints."""

from assay.python_metrics.coco.evaluator import COCOEvaluator as COCOEvaluator
from assay.python_metrics.coco.question import Curves as Curves
from assay.python_metrics.coco.store import DuplicateImageError as DuplicateImageError
