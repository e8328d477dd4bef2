"""Losses of whole detectors, composed from those of classes, boxes and masks."""

from assay.losses.detection._levels import multi_level_flatten as multi_level_flatten
from assay.losses.detection._rcnn import FastrcnnBoxLoss as FastrcnnBoxLoss
from assay.losses.detection._rcnn import FastrcnnClassLoss as FastrcnnClassLoss
from assay.losses.detection._rcnn import MaskrcnnLoss as MaskrcnnLoss
from assay.losses.detection._retinanet import RetinaNetLoss as RetinaNetLoss
from assay.losses.detection._rpn import RpnBoxLoss as RpnBoxLoss
from assay.losses.detection._rpn import RpnScoreLoss as RpnScoreLoss
