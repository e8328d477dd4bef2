"""The registered experiments: valid, with the published numbers."""

import numpy as np
import pytest
import tensorflow as tf
from assay.core import get_exp_config, get_task
from assay.core.config import registered_experiments
from assay.reference_tasks.segmentation.model import build_segmenter

NAMES = ("digits_segmentation", "seg_deeplabv3plus_pascal", "seg_deeplabv3plus_cityscapes")


def test_experiments_are_registered():
    assert set(NAMES) <= set(registered_experiments())


@pytest.mark.parametrize("name", NAMES)
def test_experiments_are_valid(name):
    get_exp_config(name).validate("train_and_eval")


@pytest.mark.flavour
def test_backbone_of_the_crops_of_digits_is_that_of_the_scenes(tmp_path):
    crops = get_task(get_exp_config("digit_crops_classification").task).build_model()
    path = tf.train.Checkpoint(model=crops, **crops.checkpoint_items).save(str(tmp_path / "ckpt"))
    params = get_exp_config("digits_segmentation").task
    task = get_task(params.replace(init_checkpoint=path, init_checkpoint_modules="backbone"))
    model = task.build_model()
    task.initialize(model)

    assert params.model.norm_activation == get_exp_config("digit_crops_classification").task.model.norm_activation
    assert params.train_data.image_mean == get_exp_config("digit_crops_classification").task.train_data.image_mean
    mine, theirs = (each.checkpoint_items["backbone"].variables for each in (model, crops))
    for loaded, original in zip(mine, theirs, strict=True):
        np.testing.assert_array_equal(loaded.numpy(), original.numpy())


@pytest.mark.parametrize(
    ("name", "steps", "classes", "learning_rate", "momentum"),
    [
        ("seg_deeplabv3plus_pascal", 45 * (10582 // 16), 21, 0.007, 0.9997),
        ("seg_deeplabv3plus_cityscapes", 500 * (2975 // 16), 19, 0.01, 0.99),
    ],
)
def test_deeplab_has_the_published_numbers(name, steps, classes, learning_rate, momentum):
    params = get_exp_config(name)
    model, data, trainer = params.task.model, params.task.train_data, params.trainer
    resnet, aspp = model.backbone.get(), model.decoder.get()
    schedule, warmup = trainer.optimizer_config.learning_rate.get(), trainer.optimizer_config.warmup.get()

    assert (resnet.model_id, resnet.output_stride, resnet.multigrid) == (101, 16, [1, 2, 4])
    assert (aspp.dilation_rates, aspp.num_filters) == ([6, 12, 18], 256)
    assert (model.head.num_convs, model.head.num_filters, model.head.low_level_num_filters) == (2, 256, 48)
    assert (model.num_classes, model.norm_activation.norm_momentum) == (classes, momentum)
    assert (trainer.train_steps, warmup.warmup_steps) == (steps, 5 * (steps // (45 if classes == 21 else 500)))
    assert (schedule.initial_learning_rate, schedule.power, schedule.end_learning_rate) == (learning_rate, 0.9, 0.0)
    assert schedule.decay_steps == steps
    assert trainer.optimizer_config.optimizer.get().momentum == 0.9
    assert (data.global_batch_size, data.aug_scale_min, data.aug_scale_max) == (16, 0.5, 2.0)
    assert params.task.losses.l2_weight_decay == 1e-4


@pytest.mark.flavour
def test_deeplab_of_cityscapes_takes_crops_and_whole_images():
    config = get_exp_config("seg_deeplabv3plus_cityscapes").task.model.replace(
        backbone={"resnet": {"model_id": 50, "filters": 2}},
        decoder={"aspp": {"num_filters": 4, "pool_kernel_size": [64, 128]}},
        head={"num_filters": 4},
    )
    model = build_segmenter(config, config.norm_activation.replace(use_sync_bn=False).layer_options())

    for sides in ((64, 128), (128, 256)):
        assert model(tf.zeros([1, *sides, 3]), training=False)["logits"].shape == [1, *sides, 19]
