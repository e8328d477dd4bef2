"""Panoptic quality, from arrays or from files in COCO's panoptic format."""

from assay.python_metrics.panoptic.coco_files import evaluate_panoptic_files as evaluate_panoptic_files
from assay.python_metrics.panoptic.coco_files import read_panoptic_files as read_panoptic_files
from assay.python_metrics.panoptic.evaluator import PanopticQualityEvaluator as PanopticQualityEvaluator
