"""A small instance of the task, for tests and for `assay check`: the experiment with a smaller model and batch."""

from assay.core import get_task
from assay.reference_tasks.classification.task import ClassificationTask
from assay.reference_tasks.templates.starters.classification.experiments import starter_data, starter_experiment

SUBJECT_BATCH_SIZE = 8


def starter_subject() -> ClassificationTask:
    """Return a new task on the experiment's data, small enough for every rule to run on it in seconds."""
    config = starter_experiment().task
    config.override(
        {
            "model": {"backbone": {"resnet": {"filters": 4}}},
            "train_data": starter_data(is_training=True, global_batch_size=SUBJECT_BATCH_SIZE).as_dict(),
            "validation_data": starter_data(is_training=False, global_batch_size=SUBJECT_BATCH_SIZE).as_dict(),
        }
    )
    return get_task(config)
