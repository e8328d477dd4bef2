"""Losses for dense label maps: per-pixel cross-entropy with all its options, and the quality of predicted masks."""

from assay.losses.segmentation._loss import SegmentationLoss as SegmentationLoss
from assay.losses.segmentation._mask_scoring import MaskScoringLoss as MaskScoringLoss
from assay.losses.segmentation._mask_scoring import mask_scores as mask_scores
from assay.losses.segmentation._mask_scoring import mask_scoring_loss as mask_scoring_loss
from assay.losses.segmentation._mining import mean_of_hardest as mean_of_hardest
from assay.losses.segmentation._pixels import segmentation_loss as segmentation_loss
