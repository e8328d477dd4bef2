"""Host metrics in NumPy: evaluators that need no TensorFlow."""

from assay.python_metrics._confusion_matrix import ConfusionMatrix as ConfusionMatrix
from assay.python_metrics._errors import MissingFieldError as MissingFieldError
from assay.python_metrics._host_metric import UNDEFINED as UNDEFINED
from assay.python_metrics._host_metric import BaseHostMetric as BaseHostMetric
from assay.python_metrics._host_metric import HostMetric as HostMetric
from assay.python_metrics.coco import COCOEvaluator as COCOEvaluator
from assay.python_metrics.lvis import LVISEvaluator as LVISEvaluator
from assay.python_metrics.panoptic import PanopticQualityEvaluator as PanopticQualityEvaluator
from assay.python_metrics.panoptic import evaluate_panoptic_files as evaluate_panoptic_files
from assay.python_metrics.voc import VOCEvaluator as VOCEvaluator
