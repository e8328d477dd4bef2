"""Each experiment on the digit scenes, cut to about a minute of CPU time, learns more than a stated floor.

The floors catch a task that has stopped learning, not one that learns a little less.
`digits_classification` has its own in `classification/test_experiments.py`.
"""

import dataclasses
from typing import Any

import pytest
from assay.core import get_distribution_strategy, get_exp_config, get_task, run_experiment

# Half the size, without augmentation: a quarter of the cost of a step, and less to learn.
_SMALL_SCENES = {"output_size": [64, 64], "aug_scale_min": 1.0, "aug_scale_max": 1.0, "aug_photometric": None}


@dataclasses.dataclass(frozen=True)
class Smoke:
    """A short run: how long, the least that it must reach in which metric, and what of the task is changed for it."""

    experiment: str
    steps: int
    metric: str
    floor: float
    task: dict[str, Any] = dataclasses.field(default_factory=dict)


SMOKES = [
    # Measured 0.103. Nothing but background has 0.087: with 11 classes a minute only begins to tell digits apart.
    Smoke(
        *("digits_segmentation", 300, "mean_iou", 0.092),
        task={
            "model": {"input_size": [64, 64, 3]},
            "train_data": _SMALL_SCENES,
            "validation_data": {"output_size": [64, 64]},
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
    params.validate("train_and_eval")
    task = get_task(params.task, logging_dir=str(tmp_path))
    _, logs = run_experiment(get_distribution_strategy("off"), task, "train_and_eval", params, str(tmp_path))

    assert logs[smoke.metric] > smoke.floor
