"""Registered experiments: digits in photographs on a laptop, COCO with the published hyperparameters."""

from assay.core import ExperimentConfig, OptimizationConfig, RuntimeConfig, TrainerConfig, register_config_factory
from assay.reference_tasks.retinanet.config import (
    AnchorConfig,
    DetectionDataConfig,
    DetectionGeneratorConfig,
    FPNConfig,
    LossesConfig,
    RetinaNetConfig,
    RetinaNetHeadConfig,
    RetinaNetModelConfig,
    TargetsConfig,
)
from assay.reference_tasks.vision.config import BackboneConfig, NormActivationConfig, ResNetConfig
from assay.reference_tasks.vision.images.photometric import PhotometricConfig

SCENES_PATH = "package://assay.reference_tasks.vision/data/digit_scenes"
SCENES_TRAIN_EXAMPLES = 1200
_SCENES_BATCH = 8
_SCENES_STEPS = 24000
_SCENES_INTERVAL = 3000

COCO_TRAIN_EXAMPLES = 118_287
_COCO_BATCH = 256
_COCO_EPOCHS = 72
_COCO_DECAY_EPOCHS = (57, 67)


def scenes_data(*, is_training: bool, global_batch_size: int = _SCENES_BATCH) -> DetectionDataConfig:
    """Return the configuration of the digit scenes: 128x128 pixels, 10 classes, 1,200 to train on and 200 to validate.

    Scenes are scaled and cut in training, but not mirrored: a mirrored 2 is none.
    """
    return DetectionDataConfig(
        input_path=f"{SCENES_PATH}/{'train' if is_training else 'validation'}-*",
        is_training=is_training,
        global_batch_size=global_batch_size,
        seed=0,
        cache=True,
        shuffle_buffer_size=SCENES_TRAIN_EXAMPLES,
        aug_scale_min=0.7,
        aug_scale_max=1.5,
        aug_photometric=PhotometricConfig(brightness=0.2, contrast=0.4, saturation=0.6, hue=0.5)
        if is_training
        else None,
        max_num_instances=20,
    )


@register_config_factory("digits_detection")
def digits_detection() -> ExperimentConfig:
    """Return the digit scenes on a narrow ResNet-10."""
    return ExperimentConfig(
        task=RetinaNetConfig(
            model=RetinaNetModelConfig(
                num_classes=11,
                input_size=[128, 128, 3],
                min_level=3,
                max_level=5,
                # Digits are 16 to 56 pixels high, and two thirds as wide.
                anchor=AnchorConfig(num_scales=3, aspect_ratios=(0.6,), anchor_size=2.0),
                backbone=BackboneConfig(resnet=ResNetConfig(model_id=10, filters=32)),
                decoder=FPNConfig(num_filters=64),
                head=RetinaNetHeadConfig(num_convs=1, num_filters=64),
                detection_generator=DetectionGeneratorConfig(pre_nms_top_k=1000),
                norm_activation=NormActivationConfig(norm_momentum=0.9, norm_epsilon=1e-5),
            ),
            targets=TargetsConfig(match_threshold=0.5, unmatched_threshold=0.4),
            losses=LossesConfig(),
            train_data=scenes_data(is_training=True),
            validation_data=scenes_data(is_training=False, global_batch_size=20),
        ),
        trainer=TrainerConfig(
            train_steps=_SCENES_STEPS,
            steps_per_loop=_SCENES_INTERVAL,
            summary_interval=_SCENES_INTERVAL,
            validation_interval=_SCENES_INTERVAL,
            checkpoint_interval=_SCENES_INTERVAL,
            optimizer_config=OptimizationConfig.from_dict(
                {
                    "optimizer": {"type": "adamw", "adamw": {"weight_decay": 0.05}},
                    "learning_rate": {
                        "type": "cosine",
                        "cosine": {"initial_learning_rate": 0.002, "decay_steps": _SCENES_STEPS},
                    },
                    "warmup": {"type": "linear", "linear": {"warmup_steps": 100}},
                }
            ),
            best_checkpoint_export_subdir="best_ckpt",
            best_checkpoint_eval_metric="AP",
        ),
        runtime=RuntimeConfig(distribution_strategy="off", seed=0),
    )


@register_config_factory("retinanet_resnetfpn_coco")
def retinanet_resnetfpn_coco() -> ExperimentConfig:
    """Return RetinaNet on ResNet-50 and COCO with the published hyperparameters: 72 epochs at a batch of 256.

    Set `task.train_data.input_path` and `task.validation_data.input_path` to TFRecords with Model Garden's keys,
    `task.annotation_file` to the annotations of the validation images (empty: what the records say), and
    `task.init_checkpoint` to a backbone that was trained on ImageNet.

    The learning rate rises for 500 steps and is divided by 10 at epochs 57 and 67. With another batch size, scale the
    learning rate and the steps.

    References:
        Lin, Goyal, Girshick, He, Dollar, "Focal Loss for Dense Object Detection", 2017.
    """
    steps_per_epoch = COCO_TRAIN_EXAMPLES // _COCO_BATCH
    return ExperimentConfig(
        task=RetinaNetConfig(
            model=RetinaNetModelConfig(
                num_classes=91,
                input_size=[640, 640, 3],
                backbone=BackboneConfig(resnet=ResNetConfig(model_id=50)),
            ),
            losses=LossesConfig(l2_weight_decay=1e-4),
            train_data=DetectionDataConfig(
                input_path="coco/train*",
                is_training=True,
                global_batch_size=_COCO_BATCH,
                seed=0,
                dtype="bfloat16",
                aug_rand_hflip=True,
                aug_scale_min=0.8,
                aug_scale_max=1.2,
            ),
            validation_data=DetectionDataConfig(
                input_path="coco/val*", is_training=False, global_batch_size=8, dtype="bfloat16"
            ),
            annotation_file="coco/instances_val2017.json",
            init_checkpoint_modules="backbone",
        ),
        trainer=TrainerConfig(
            train_steps=_COCO_EPOCHS * steps_per_epoch,
            steps_per_loop=steps_per_epoch,
            summary_interval=steps_per_epoch,
            validation_interval=steps_per_epoch,
            checkpoint_interval=steps_per_epoch,
            # The position in the data includes the shuffle buffer, 10,000 photos: a gigabyte in each checkpoint.
            checkpoint_train_iterator=False,
            optimizer_config=OptimizationConfig.from_dict(
                {
                    "optimizer": {"type": "sgd", "sgd": {"momentum": 0.9}},
                    "learning_rate": {
                        "type": "stepwise",
                        "stepwise": {
                            "boundaries": [epoch * steps_per_epoch for epoch in _COCO_DECAY_EPOCHS],
                            "values": [0.32, 0.032, 0.0032],
                        },
                    },
                    "warmup": {"type": "linear", "linear": {"warmup_steps": 500, "warmup_learning_rate": 0.0067}},
                }
            ),
        ),
        runtime=RuntimeConfig(distribution_strategy="mirrored", mixed_precision_dtype="bfloat16"),
    )
