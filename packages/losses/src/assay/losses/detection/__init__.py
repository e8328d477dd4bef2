"""Losses of whole detectors, composed from those of classes, boxes and masks."""

from assay.losses.detection._anchors import retinanet_components as retinanet_components
from assay.losses.detection._anchors import retinanet_loss as retinanet_loss
from assay.losses.detection._fastrcnn_box import FastrcnnBoxLoss as FastrcnnBoxLoss
from assay.losses.detection._fastrcnn_box import fastrcnn_box_loss as fastrcnn_box_loss
from assay.losses.detection._fastrcnn_class import FastrcnnClassLoss as FastrcnnClassLoss
from assay.losses.detection._fastrcnn_class import fastrcnn_class_loss as fastrcnn_class_loss
from assay.losses.detection._levels import multi_level_flatten as multi_level_flatten
from assay.losses.detection._maskrcnn import MaskrcnnLoss as MaskrcnnLoss
from assay.losses.detection._maskrcnn import maskrcnn_loss as maskrcnn_loss
from assay.losses.detection._retinanet import RetinaNetLoss as RetinaNetLoss
from assay.losses.detection._rpn_box import RpnBoxLoss as RpnBoxLoss
from assay.losses.detection._rpn_box import rpn_box_loss as rpn_box_loss
from assay.losses.detection._rpn_score import RpnScoreLoss as RpnScoreLoss
from assay.losses.detection._rpn_score import rpn_score_loss as rpn_score_loss
