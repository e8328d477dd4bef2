"""Losses for TensorFlow training that stay right under weights, masks, mixed precision and replicas."""

from assay.losses._classification import CrossEntropyLoss as CrossEntropyLoss
from assay.losses._classification import SigmoidCrossEntropyLoss as SigmoidCrossEntropyLoss
from assay.losses._cross_entropy import sigmoid_cross_entropy as sigmoid_cross_entropy
from assay.losses._cross_entropy import softmax_cross_entropy as softmax_cross_entropy
from assay.losses.focal import SigmoidFocalLoss as SigmoidFocalLoss
from assay.losses.focal import SoftmaxFocalLoss as SoftmaxFocalLoss
from assay.losses.focal import sigmoid_focal_loss as sigmoid_focal_loss
from assay.losses.focal import softmax_focal_loss as softmax_focal_loss
from assay.losses.segmentation import MaskScoringLoss as MaskScoringLoss
from assay.losses.segmentation import SegmentationLoss as SegmentationLoss
from assay.losses.segmentation import mask_scores as mask_scores
from assay.losses.segmentation import segmentation_loss as segmentation_loss
