"""Losses for TensorFlow training that stay right under weights, masks, mixed precision and replicas."""

from assay.losses._classification import CrossEntropyLoss as CrossEntropyLoss
from assay.losses._classification import SigmoidCrossEntropyLoss as SigmoidCrossEntropyLoss
from assay.losses._cross_entropy import sigmoid_cross_entropy as sigmoid_cross_entropy
from assay.losses._cross_entropy import softmax_cross_entropy as softmax_cross_entropy
from assay.losses.boxes import BoxHuberLoss as BoxHuberLoss
from assay.losses.boxes import CIoULoss as CIoULoss
from assay.losses.boxes import DIoULoss as DIoULoss
from assay.losses.boxes import GIoULoss as GIoULoss
from assay.losses.boxes import IoULoss as IoULoss
from assay.losses.boxes import box_huber_loss as box_huber_loss
from assay.losses.boxes import ciou_loss as ciou_loss
from assay.losses.boxes import diou_loss as diou_loss
from assay.losses.boxes import giou_loss as giou_loss
from assay.losses.boxes import iou_loss as iou_loss
from assay.losses.detection import RetinaNetLoss as RetinaNetLoss
from assay.losses.detection import multi_level_flatten as multi_level_flatten
from assay.losses.focal import SigmoidFocalLoss as SigmoidFocalLoss
from assay.losses.focal import SoftmaxFocalLoss as SoftmaxFocalLoss
from assay.losses.focal import sigmoid_focal_loss as sigmoid_focal_loss
from assay.losses.focal import softmax_focal_loss as softmax_focal_loss
from assay.losses.segmentation import MaskScoringLoss as MaskScoringLoss
from assay.losses.segmentation import SegmentationLoss as SegmentationLoss
from assay.losses.segmentation import mask_scores as mask_scores
from assay.losses.segmentation import segmentation_loss as segmentation_loss
