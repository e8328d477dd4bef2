"""Object detection with RetinaNet; importing this package registers its task and its experiment with `assay-train`."""

from assay.reference_tasks.retinanet.config import RetinaNetConfig as RetinaNetConfig
from assay.reference_tasks.retinanet.task import RetinaNetTask as RetinaNetTask
from assay.reference_tasks.templates.starters.retinanet.experiments import starter_experiment as starter_experiment
