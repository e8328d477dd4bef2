"""Object detection with RetinaNet, from TFRecords; importing registers it."""

from assay.reference_tasks.retinanet.config import DetectionDataConfig as DetectionDataConfig
from assay.reference_tasks.retinanet.config import RetinaNetConfig as RetinaNetConfig
from assay.reference_tasks.retinanet.experiments import digits_detection as digits_detection
from assay.reference_tasks.retinanet.experiments import retinanet_resnetfpn_coco as retinanet_resnetfpn_coco
from assay.reference_tasks.retinanet.task import RetinaNetTask as RetinaNetTask
