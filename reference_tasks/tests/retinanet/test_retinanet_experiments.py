"""The registered experiments: what they hold, and that they run."""

import pytest
from assay.core import (
    get_exp_config,
    registered_experiments,
)
from assay.reference_tasks.retinanet.experiments import SCENES_TRAIN_EXAMPLES, scenes_data
from assay.reference_tasks.vision.inputs.paths import find_files

NAMES = ("digits_detection", "retinanet_resnetfpn_coco")


def test_detection_experiments_are_registered():
    assert set(NAMES) <= set(registered_experiments())


@pytest.mark.parametrize("name", NAMES)
def test_detection_experiments_are_valid(name):
    get_exp_config(name).validate("train_and_eval")


def test_scenes_are_where_the_configuration_says():
    assert len(find_files(scenes_data(is_training=True).input_path)) == SCENES_TRAIN_EXAMPLES / 100
    assert find_files(scenes_data(is_training=False).input_path)


def test_coco_has_the_published_schedule():
    params = get_exp_config("retinanet_resnetfpn_coco")
    steps = 118_287 // 256
    optimization = params.trainer.optimizer_config
    schedule, warmup = optimization.learning_rate.get(), optimization.warmup.get()
    model, data = params.task.model, params.task.train_data

    assert params.trainer.train_steps == 72 * steps == 72 * 462
    assert schedule.boundaries == [57 * steps, 67 * steps]
    assert schedule.values == pytest.approx([0.32, 0.032, 0.0032])
    assert (warmup.warmup_steps, warmup.warmup_learning_rate) == (500, 0.0067)
    assert optimization.optimizer.get().momentum == 0.9
    assert params.task.losses.l2_weight_decay == 1e-4
    assert (data.global_batch_size, data.aug_rand_hflip, data.aug_scale_min, data.aug_scale_max) == (
        256,
        True,
        0.8,
        1.2,
    )
    assert (model.num_classes, model.input_size, model.backbone.get().model_id) == (91, [640, 640, 3], 50)
    assert (model.decoder.num_filters, model.head.num_convs, model.head.num_filters) == (256, 4, 256)
    assert params.runtime.mixed_precision_dtype == data.dtype == "bfloat16"
