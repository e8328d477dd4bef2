"""Keras metrics that count exactly, on one replica or many, in any precision."""

from assay.keras_metrics._accuracy import Accuracy as Accuracy
from assay.keras_metrics._accuracy import TopKAccuracy as TopKAccuracy
from assay.keras_metrics._boundary_iou import BoundaryIoU as BoundaryIoU
from assay.keras_metrics._expected_calibration_error import ExpectedCalibrationError as ExpectedCalibrationError
from assay.keras_metrics._frequency_weighted_iou import FrequencyWeightedIoU as FrequencyWeightedIoU
from assay.keras_metrics._instance_metrics import InstanceMetrics as InstanceMetrics
from assay.keras_metrics._mean_iou import MeanIoU as MeanIoU
from assay.keras_metrics._mean_per_class_accuracy import MeanPerClassAccuracy as MeanPerClassAccuracy
from assay.keras_metrics._multiclass_fbeta import MulticlassFBeta as MulticlassFBeta
from assay.keras_metrics._multiclass_precision import MulticlassPrecision as MulticlassPrecision
from assay.keras_metrics._multiclass_recall import MulticlassRecall as MulticlassRecall
from assay.keras_metrics._panoptic_quality import PanopticQuality as PanopticQuality
from assay.keras_metrics._per_class_iou import PerClassIoU as PerClassIoU
from assay.keras_metrics._pixel_accuracy import PixelAccuracy as PixelAccuracy
from assay.keras_metrics._running_mean import RunningMean as RunningMean
