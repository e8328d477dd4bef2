"""Each experiment on the digit scenes, cut to less than a minute of CPU time, learns more than a stated floor.

The floors catch a task that has stopped learning, not one that learns a little less. A minute is too short for
segmentation to tell digits apart in scenes that it has not seen: it has to learn a few scenes by heart.
`digits_classification` has its own in `classification/test_experiments.py`.
"""

import dataclasses
from typing import Any

import pytest
import tensorflow as tf
from assay.core import get_distribution_strategy, get_exp_config, get_task, run_experiment
from assay.reference_tasks.segmentation.experiments import SCENES_PATH
from assay.reference_tasks.vision.inputs.paths import one_path

FEW_SCENES = 8
_SMALL = {"output_size": [64, 64], "global_batch_size": FEW_SCENES}


@dataclasses.dataclass(frozen=True)
class Smoke:
    """A short run: how long, the least that it must reach in which metric, and what of the task is changed for it.

    With `by_heart`, the first scenes of the training data are all that there is to train and to validate on.
    """

    experiment: str
    steps: int
    metric: str
    floor: float
    by_heart: bool = False
    task: dict[str, Any] = dataclasses.field(default_factory=dict)


SMOKES = [
    # Measured 0.922. Nothing but background has 0.09.
    Smoke(
        *("digits_segmentation", 300, "mean_iou", 0.6),
        by_heart=True,
        task={
            "model": {"input_size": [64, 64, 3]},
            "train_data": {**_SMALL, "aug_scale_min": 1.0, "aug_scale_max": 1.0, "aug_photometric": None},
            "validation_data": _SMALL,
            "evaluation": {"report_per_class_iou": False, "most_wrong_images": 0},
        },
    ),
    # Measured 0.080. Without learning it stays at 0.
    Smoke("digits_detection", 400, "AP50", 0.03),
]


@pytest.mark.slow
@pytest.mark.parametrize("smoke", SMOKES, ids=lambda smoke: smoke.experiment)
def test_short_run_learns(smoke, tmp_path):
    params = get_exp_config(smoke.experiment)
    schedule = {
        "learning_rate": {"cosine": {"decay_steps": smoke.steps}},
        "warmup": {"linear": {"warmup_steps": smoke.steps // 10}},
    }
    interval = dict.fromkeys(("steps_per_loop", "summary_interval"), smoke.steps // 2)
    once = dict.fromkeys(("train_steps", "validation_interval", "checkpoint_interval"), smoke.steps)
    params.override({"task": smoke.task, "trainer": {**interval, **once, "optimizer_config": schedule}})
    if smoke.by_heart:
        scenes = {"input_path": few_scenes(str(tmp_path / "few.tfrecord"))}
        params.override({"task": {"train_data": scenes, "validation_data": scenes}})
    params.validate("train_and_eval")
    task = get_task(params.task, logging_dir=str(tmp_path))
    _, logs = run_experiment(get_distribution_strategy("off"), task, "train_and_eval", params, str(tmp_path))

    assert logs[smoke.metric] > smoke.floor


def few_scenes(path):
    """Write the first scenes of the training data to a file, and return its path."""
    first = min(tf.io.gfile.glob(f"{one_path(SCENES_PATH, 'scenes')}/train-*"))
    with tf.io.TFRecordWriter(path) as writer:
        for record in tf.data.TFRecordDataset(first).take(FEW_SCENES):
            writer.write(record.numpy())
    return path
