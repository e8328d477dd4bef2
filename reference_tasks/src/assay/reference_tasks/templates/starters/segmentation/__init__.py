"""Semantic segmentation; importing this package registers its task and its experiment with `assay-train`."""

from assay.reference_tasks.segmentation.config import SegmentationConfig as SegmentationConfig
from assay.reference_tasks.segmentation.task import SegmentationTask as SegmentationTask
from assay.reference_tasks.templates.starters.segmentation.experiments import starter_experiment as starter_experiment
