"""Residual networks and the classifier on top of them, as Keras functional models of either flavour."""

from assay.reference_tasks.classification.model.classifier import Classifier as Classifier
from assay.reference_tasks.classification.model.classifier import build_classifier as build_classifier
from assay.reference_tasks.classification.model.resnet import MODELS as MODELS
from assay.reference_tasks.classification.model.resnet import build_resnet as build_resnet
