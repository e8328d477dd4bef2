"""A small instance of the task, for tests and for `assay check`: the experiment with a smaller model and batch."""

from assay.core import get_task
from assay.reference_tasks.retinanet.task import RetinaNetTask
from assay.reference_tasks.templates.starters.retinanet.experiments import starter_data, starter_experiment

SUBJECT_SIDE = 32
SUBJECT_BATCH_SIZE = 8


def starter_subject() -> RetinaNetTask:
    """Return a new task on the experiment's data, small enough for every rule to run on it in seconds."""
    config = starter_experiment().task
    smaller = {"cache": False, "shuffle_buffer_size": SUBJECT_BATCH_SIZE}
    data = {
        name: starter_data(is_training=is_training, global_batch_size=SUBJECT_BATCH_SIZE).as_dict() | smaller
        for name, is_training in (("train_data", True), ("validation_data", False))
    }
    model = {
        "input_size": [SUBJECT_SIDE, SUBJECT_SIDE, 3],
        "anchor": {"num_scales": 1, "anchor_size": 2.0},
        "backbone": {"resnet": {"filters": 4}},
        "decoder": {"num_filters": 8},
        "head": {"num_filters": 8},
        "detection_generator": {"pre_nms_top_k": 50, "max_num_detections": 10},
    }
    config.override({"model": model, "summary_images": 2, **data})
    return get_task(config)
