"""Semantic segmentation with DeepLabV3+ and feature pyramids, from files or folders; importing registers it."""

from assay.reference_tasks.segmentation.config import SegmentationConfig as SegmentationConfig
from assay.reference_tasks.segmentation.config import SegmentationDataConfig as SegmentationDataConfig
from assay.reference_tasks.segmentation.experiments import digits_segmentation as digits_segmentation
from assay.reference_tasks.segmentation.experiments import seg_deeplabv3plus_cityscapes as seg_deeplabv3plus_cityscapes
from assay.reference_tasks.segmentation.experiments import seg_deeplabv3plus_pascal as seg_deeplabv3plus_pascal
from assay.reference_tasks.segmentation.task import SegmentationTask as SegmentationTask
