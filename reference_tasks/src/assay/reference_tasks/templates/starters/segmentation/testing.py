"""A small instance of the task, for tests and for `assay check`: the experiment with a smaller model and batch."""

from assay.core import get_task
from assay.reference_tasks.segmentation.task import SegmentationTask
from assay.reference_tasks.templates.starters.segmentation.experiments import starter_data, starter_experiment

SUBJECT_SIDE = 32
SUBJECT_BATCH_SIZE = 8


def starter_subject() -> SegmentationTask:
    """Return a new task on the experiment's data, small enough for every rule to run on it in seconds."""
    config = starter_experiment().task
    smaller = {"output_size": [SUBJECT_SIDE, SUBJECT_SIDE], "cache": False, "shuffle_buffer_size": SUBJECT_BATCH_SIZE}
    data = {
        name: starter_data(is_training=is_training, global_batch_size=SUBJECT_BATCH_SIZE).as_dict() | smaller
        for name, is_training in (("train_data", True), ("validation_data", False))
    }
    model = {
        "input_size": [SUBJECT_SIDE, SUBJECT_SIDE, 3],
        "backbone": {"resnet": {"filters": 4}},
        "decoder": {"fpn": {"num_filters": 8}},
        "head": {"num_filters": 8},
    }
    config.override({"model": model, **data})
    return get_task(config)
