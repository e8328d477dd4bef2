"""Registered experiments: digits on a laptop, ImageNet with the published hyperparameters."""

from assay.core import ExperimentConfig, OptimizationConfig, RuntimeConfig, TrainerConfig, register_config_factory
from assay.reference_tasks.classification.config import (
    ClassificationConfig,
    ClassificationModelConfig,
    EvaluationConfig,
    ImageDataConfig,
    LossesConfig,
)
from assay.reference_tasks.vision.config import BackboneConfig, NormActivationConfig, ResNetConfig
from assay.reference_tasks.vision.images.affine import AffineConfig

DIGITS_PATH = "package://assay.reference_tasks.classification/data/digits"
DIGITS_TRAIN_EXAMPLES = 1438
DIGITS_MEAN, DIGITS_STD = 0.306, 0.376
"""Of the training images, as shares of the full range."""
_DIGITS_BATCH = 64
_DIGITS_EPOCHS = 60

CROPS_SIDE = 64
_CROPS_BATCH = 64
_CROPS_STEPS = 2000
_CROPS_INTERVAL = 500

IMAGENET_TRAIN_EXAMPLES = 1_281_167
_IMAGENET_BATCH = 4096
_IMAGENET_EPOCHS = 90
_IMAGENET_DECAY_EPOCHS = (30, 60, 80)
_IMAGENET_WARMUP_EPOCHS = 5
_LEARNING_RATE_OF_256 = 0.1


def digits_data(*, is_training: bool, global_batch_size: int = _DIGITS_BATCH) -> ImageDataConfig:
    """Return the configuration of the digits: 8x8 pixels, 10 classes, 1,438 to train on and 359 to validate.

    Digits are shifted, scaled and turned a little in training, but not mirrored: a mirrored 2 is none.
    """
    return ImageDataConfig(
        input_path=f"{DIGITS_PATH}/{'train' if is_training else 'validation'}-*",
        is_training=is_training,
        global_batch_size=global_batch_size,
        seed=0,
        cache=True,
        shuffle_buffer_size=DIGITS_TRAIN_EXAMPLES,
        image_mean=(DIGITS_MEAN,),
        image_std=(DIGITS_STD,),
        center_crop_fraction=1.0,
        aug_crop=False,
        aug_rand_hflip=False,
        aug_affine=AffineConfig(max_shift=0.12, min_scale=0.85, max_scale=1.15, max_rotation=12.0)
        if is_training
        else None,
    )


@register_config_factory("digits_classification")
def digits_classification() -> ExperimentConfig:
    """Return the handwritten digits on a narrow ResNet-10: above 98% in a minute or two on two CPU cores."""
    steps_per_epoch = DIGITS_TRAIN_EXAMPLES // _DIGITS_BATCH
    train_steps = _DIGITS_EPOCHS * steps_per_epoch
    loop, interval = 5 * steps_per_epoch, 10 * steps_per_epoch
    return ExperimentConfig(
        task=ClassificationConfig(
            model=ClassificationModelConfig(
                num_classes=10,
                input_size=[8, 8, 1],
                backbone=BackboneConfig(resnet=ResNetConfig(model_id=10, filters=16)),
                norm_activation=NormActivationConfig(norm_momentum=0.9, norm_epsilon=1e-5),
            ),
            losses=LossesConfig(label_smoothing=0.1, l2_weight_decay=5e-4),
            train_data=digits_data(is_training=True),
            validation_data=digits_data(is_training=False),
        ),
        trainer=TrainerConfig(
            train_steps=train_steps,
            steps_per_loop=loop,
            summary_interval=loop,
            validation_interval=interval,
            checkpoint_interval=interval,
            optimizer_config=OptimizationConfig.from_dict(
                {
                    "optimizer": {"type": "sgd", "sgd": {"momentum": 0.9, "nesterov": True}},
                    "learning_rate": {
                        "type": "cosine",
                        "cosine": {"initial_learning_rate": 0.1, "decay_steps": train_steps},
                    },
                    "warmup": {"type": "linear", "linear": {"warmup_steps": 2 * steps_per_epoch}},
                }
            ),
            best_checkpoint_export_subdir="best_ckpt",
            best_checkpoint_eval_metric="accuracy",
        ),
        runtime=RuntimeConfig(distribution_strategy="off", seed=0),
    )


def crops_data(*, is_training: bool) -> ImageDataConfig:
    """Return the configuration of the crops of digit scenes: 80x80 pixels, 10 classes, one digit in the middle.

    The backbone sees 64x64 of them, so that digits have the sizes that they have in the scenes, a quarter more or less.
    """
    return ImageDataConfig(
        input_path=f"digit-crops-tfrecord/{'train' if is_training else 'validation'}-*",
        is_training=is_training,
        global_batch_size=_CROPS_BATCH,
        seed=0,
        cache=True,
        shuffle_buffer_size=4096,
        center_crop_fraction=0.8,
        crop_area_range=(0.45, 1.0),
        aug_rand_hflip=False,
    )


@register_config_factory("digit_crops_classification")
def digit_crops_classification() -> ExperimentConfig:
    """Return the backbone of `digits_segmentation` on crops of digit scenes, so that segmentation begins with it.

    A backbone learns which digit is which many times sooner from one label for a crop than from one for each pixel, as
    backbones for photographs are taken from ImageNet. `python -m tools.train --task segmentation` cuts the crops and
    runs this first; otherwise set `task.train_data.input_path` and `task.validation_data.input_path`.
    """
    return ExperimentConfig(
        task=ClassificationConfig(
            model=ClassificationModelConfig(
                num_classes=10,
                input_size=[CROPS_SIDE, CROPS_SIDE, 3],
                backbone=BackboneConfig(resnet=ResNetConfig(model_id=18, filters=32, stem="imagenet")),
                norm_activation=NormActivationConfig(norm_momentum=0.9, norm_epsilon=1e-5),
            ),
            train_data=crops_data(is_training=True),
            validation_data=crops_data(is_training=False),
        ),
        trainer=TrainerConfig(
            train_steps=_CROPS_STEPS,
            steps_per_loop=_CROPS_INTERVAL,
            summary_interval=_CROPS_INTERVAL,
            validation_interval=_CROPS_INTERVAL,
            checkpoint_interval=_CROPS_STEPS,
            # The position in the data includes the shuffle buffer: thousands of crops in a checkpoint.
            checkpoint_train_iterator=False,
            optimizer_config=OptimizationConfig.from_dict(
                {
                    "optimizer": {"type": "adamw", "adamw": {"weight_decay": 0.05}},
                    "learning_rate": {
                        "type": "cosine",
                        "cosine": {"initial_learning_rate": 0.004, "decay_steps": _CROPS_STEPS},
                    },
                    "warmup": {"type": "linear", "linear": {"warmup_steps": 100}},
                }
            ),
        ),
        runtime=RuntimeConfig(distribution_strategy="off", seed=0),
    )


@register_config_factory("resnet_imagenet")
def resnet_imagenet() -> ExperimentConfig:
    """Return ResNet-50 on ImageNet with the published hyperparameters: 90 epochs at a batch of 4096.

    Set `task.train_data.input_path` and `task.validation_data.input_path` to TFRecords with Model Garden's keys, whose
    labels are 1 to 1000 (0 is background).

    The learning rate follows the linear rule, 0.1 for each 256 examples, from a warmup of 5 epochs, and is divided by
    10 at epochs 30, 60 and 80. With another batch size, scale the learning rate and the steps.

    References:
        He, Zhang, Ren, Sun, "Deep Residual Learning for Image Recognition", 2016.
        Goyal et al., "Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour", 2017.
    """
    steps_per_epoch = IMAGENET_TRAIN_EXAMPLES // _IMAGENET_BATCH
    learning_rate = _LEARNING_RATE_OF_256 * _IMAGENET_BATCH / 256
    return ExperimentConfig(
        task=ClassificationConfig(
            model=ClassificationModelConfig(
                num_classes=1001,
                input_size=[224, 224, 3],
                backbone=BackboneConfig(resnet=ResNetConfig(model_id=50)),
                norm_activation=NormActivationConfig(norm_momentum=0.9, norm_epsilon=1e-5),
            ),
            losses=LossesConfig(l2_weight_decay=1e-4),
            evaluation=EvaluationConfig(top_k=5),
            train_data=ImageDataConfig(
                input_path="imagenet-2012-tfrecord/train*",
                is_training=True,
                global_batch_size=_IMAGENET_BATCH,
                seed=0,
            ),
            validation_data=ImageDataConfig(
                input_path="imagenet-2012-tfrecord/valid*", is_training=False, global_batch_size=_IMAGENET_BATCH
            ),
        ),
        trainer=TrainerConfig(
            train_steps=_IMAGENET_EPOCHS * steps_per_epoch,
            steps_per_loop=steps_per_epoch,
            summary_interval=steps_per_epoch,
            validation_interval=steps_per_epoch,
            checkpoint_interval=steps_per_epoch,
            # The position in the data includes the shuffle buffer, 10,000 photos: a gigabyte in each checkpoint.
            checkpoint_train_iterator=False,
            optimizer_config=OptimizationConfig.from_dict(
                {
                    "optimizer": {"type": "sgd", "sgd": {"momentum": 0.9, "nesterov": True}},
                    "learning_rate": {
                        "type": "stepwise",
                        "stepwise": {
                            "boundaries": [epoch * steps_per_epoch for epoch in _IMAGENET_DECAY_EPOCHS],
                            "values": [learning_rate * 0.1**power for power in range(4)],
                        },
                    },
                    "warmup": {
                        "type": "linear",
                        "linear": {
                            "warmup_steps": _IMAGENET_WARMUP_EPOCHS * steps_per_epoch,
                            "warmup_learning_rate": _LEARNING_RATE_OF_256,
                        },
                    },
                }
            ),
        ),
        runtime=RuntimeConfig(distribution_strategy="mirrored"),
    )
