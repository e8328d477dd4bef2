"""Backbones: Keras models of either flavour from images to feature maps by level."""

from assay.reference_tasks.vision.backbones.resnet import MODELS as MODELS
from assay.reference_tasks.vision.backbones.resnet import build_resnet as build_resnet
