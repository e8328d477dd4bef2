"""Keras metrics that count exactly, on one replica or many, in any precision."""

from assay.keras_metrics._accuracy import Accuracy as Accuracy
from assay.keras_metrics._accuracy import TopKAccuracy as TopKAccuracy
