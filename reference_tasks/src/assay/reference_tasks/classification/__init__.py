"""Image classification on residual networks, from TFRecords, image folders or arrays; importing registers it."""

from assay.reference_tasks.classification.config import ClassificationConfig as ClassificationConfig
from assay.reference_tasks.classification.config import ImageDataConfig as ImageDataConfig
from assay.reference_tasks.classification.experiments import digits_classification as digits_classification
from assay.reference_tasks.classification.experiments import resnet_imagenet as resnet_imagenet
from assay.reference_tasks.classification.task import ClassificationTask as ClassificationTask
