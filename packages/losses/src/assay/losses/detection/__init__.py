"""Losses of whole detectors, composed from those of classes, boxes and masks."""

from assay.losses.detection._levels import multi_level_flatten as multi_level_flatten
from assay.losses.detection._retinanet import RetinaNetLoss as RetinaNetLoss
