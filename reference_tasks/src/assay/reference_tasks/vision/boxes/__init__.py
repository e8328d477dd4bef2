"""Boxes `[ymin, xmin, ymax, xmax]` in TensorFlow: areas, overlaps, codes for regression, non-maximum suppression."""

from assay.reference_tasks.vision.boxes.coder import BoxCoder as BoxCoder
from assay.reference_tasks.vision.boxes.nms import Selection as Selection
from assay.reference_tasks.vision.boxes.nms import non_max_suppression as non_max_suppression
from assay.reference_tasks.vision.boxes.operations import areas as areas
from assay.reference_tasks.vision.boxes.operations import clip as clip
from assay.reference_tasks.vision.boxes.operations import is_not_empty as is_not_empty
from assay.reference_tasks.vision.boxes.operations import mirrored as mirrored
from assay.reference_tasks.vision.boxes.operations import pairwise_coverage as pairwise_coverage
from assay.reference_tasks.vision.boxes.operations import pairwise_iou as pairwise_iou
from assay.reference_tasks.vision.boxes.operations import placed as placed
