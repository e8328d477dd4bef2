"""Image classification; importing this package registers its task and its experiment with `assay-train`."""

from assay.reference_tasks.classification.config import ClassificationConfig as ClassificationConfig
from assay.reference_tasks.classification.task import ClassificationTask as ClassificationTask
from assay.reference_tasks.templates.starters.classification.experiments import (
    starter_experiment as starter_experiment,
)
