"""Losses of boxes: regression targets, and overlaps of boxes in yxyx coordinates."""

from assay.losses.boxes._huber import BoxHuberLoss as BoxHuberLoss
from assay.losses.boxes._huber import box_huber_loss as box_huber_loss
from assay.losses.boxes._overlap import ciou_loss as ciou_loss
from assay.losses.boxes._overlap import diou_loss as diou_loss
from assay.losses.boxes._overlap import giou_loss as giou_loss
from assay.losses.boxes._overlap import iou_loss as iou_loss
from assay.losses.boxes._overlap_losses import CIoULoss as CIoULoss
from assay.losses.boxes._overlap_losses import DIoULoss as DIoULoss
from assay.losses.boxes._overlap_losses import GIoULoss as GIoULoss
from assay.losses.boxes._overlap_losses import IoULoss as IoULoss
