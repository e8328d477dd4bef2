"""The classifier on top of a backbone, as a Keras functional model of either flavour."""

from assay.reference_tasks.classification.model.classifier import Classifier as Classifier
from assay.reference_tasks.classification.model.classifier import build_classifier as build_classifier
