"""Registered experiments: digit scenes on a laptop, Pascal VOC and Cityscapes with the published hyperparameters."""

from assay.core import ExperimentConfig, OptimizationConfig, RuntimeConfig, TrainerConfig, register_config_factory
from assay.reference_tasks.segmentation.config import LossesConfig, SegmentationConfig, SegmentationDataConfig
from assay.reference_tasks.segmentation.model.config import (
    ASPPConfig,
    DecoderConfig,
    SegmentationHeadConfig,
    SegmentationModelConfig,
)
from assay.reference_tasks.vision.config import BackboneConfig, NormActivationConfig, ResNetConfig

SCENES_PATH = "package://assay.reference_tasks.vision/data/digit_scenes"
SCENES_TRAIN_EXAMPLES = 1200
SCENES_SIDE = 128
SCENES_CLASSES = 11
"""The background, and the digits 0 to 9 as the classes 1 to 10."""
_SCENES_BATCH = 8
_SCENES_STEPS = 15000
_SCENES_INTERVAL = 2500

PASCAL_CLASSES, PASCAL_TRAIN_EXAMPLES = 21, 10582
_PASCAL_BATCH, _PASCAL_EPOCHS = 16, 45
CITYSCAPES_CLASSES, CITYSCAPES_TRAIN_EXAMPLES = 19, 2975
_CITYSCAPES_BATCH, _CITYSCAPES_EPOCHS = 16, 500
_WARMUP_EPOCHS = 5


def scenes_data(*, is_training: bool, global_batch_size: int = _SCENES_BATCH) -> SegmentationDataConfig:
    """Return the configuration of the digit scenes: 128x128 pixels, 11 classes, 1,200 to train on, 200 to validate.

    Scenes are scaled and cut differently in training, but not mirrored: a mirrored 2 is none.
    """
    return SegmentationDataConfig(
        input_path=f"{SCENES_PATH}/{'train' if is_training else 'validation'}-*",
        is_training=is_training,
        global_batch_size=global_batch_size,
        seed=0,
        cache=True,
        shuffle_buffer_size=SCENES_TRAIN_EXAMPLES,
        output_size=[SCENES_SIDE, SCENES_SIDE],
        aug_scale_min=0.8 if is_training else 1.0,
        aug_scale_max=1.25 if is_training else 1.0,
        aug_rand_hflip=False,
    )


@register_config_factory("digits_segmentation")
def digits_segmentation() -> ExperimentConfig:
    """Return the digit scenes on a narrow ResNet-18 without a decoder: about half an hour of CPU time.

    Which digit a stroke belongs to is harder to learn than where strokes are: every level of the backbone scores the
    digits by itself, and a part that sees what the stem sees, at half the size of the image, draws the outlines.
    `python -m tools.train --task segmentation` takes a backbone that has learnt digits from crops, and gets further.
    """
    return ExperimentConfig(
        task=SegmentationConfig(
            model=SegmentationModelConfig(
                num_classes=SCENES_CLASSES,
                input_size=[SCENES_SIDE, SCENES_SIDE, 3],
                backbone=BackboneConfig(resnet=ResNetConfig(model_id=18, filters=32, stem="imagenet")),
                decoder=DecoderConfig(type=None),
                head=SegmentationHeadConfig(
                    level=2,
                    num_convs=1,
                    num_filters=32,
                    feature_fusion="deeplabv3plus",
                    low_level=1,
                    low_level_num_filters=16,
                    subpixel_factor=2,
                    skip_levels=[2, 3, 4, 5],
                ),
                norm_activation=NormActivationConfig(norm_momentum=0.9, norm_epsilon=1e-5),
            ),
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
                        "cosine": {"initial_learning_rate": 0.008, "decay_steps": _SCENES_STEPS},
                    },
                    "warmup": {"type": "linear", "linear": {"warmup_steps": 100}},
                }
            ),
            best_checkpoint_export_subdir="best_ckpt",
            best_checkpoint_eval_metric="mean_iou",
        ),
        runtime=RuntimeConfig(distribution_strategy="off", seed=0),
    )


@register_config_factory("seg_deeplabv3plus_pascal")
def seg_deeplabv3plus_pascal() -> ExperimentConfig:
    """Return DeepLabV3+ on Pascal VOC 2012 with the published hyperparameters: 45 epochs at a batch of 16.

    Set `task.train_data.input_path` and `task.validation_data.input_path` to TFRecords with Model Garden's keys (the
    10,582 images of `train_aug`, the 1,449 of `val`), and `task.init_checkpoint` to a ResNet-101 with the deep stem
    that was trained on ImageNet. Evaluation is at the original size, as the benchmark has it.

    References:
        Chen et al., "Encoder-Decoder with Atrous Separable Convolution for Semantic Image Segmentation", 2018.
        Everingham et al., "The Pascal Visual Object Classes Challenge: A Retrospective", 2015.
        Model Garden, `seg_deeplabv3plus_pascal` (schedule, normalisation, activation).
    """
    side = [512, 512]
    return _deeplabv3plus(
        num_classes=PASCAL_CLASSES,
        aspp=ASPPConfig(level=4, dilation_rates=[6, 12, 18]),
        norm_momentum=0.9997,
        train_data=SegmentationDataConfig(
            input_path="pascal-voc-tfrecord/train_aug*",
            is_training=True,
            global_batch_size=_PASCAL_BATCH,
            seed=0,
            output_size=side,
            aug_scale_min=0.5,
            aug_scale_max=2.0,
        ),
        validation_data=SegmentationDataConfig(
            input_path="pascal-voc-tfrecord/val*",
            is_training=False,
            global_batch_size=8,
            output_size=side,
            resize_eval_groundtruth=False,
            groundtruth_padded_size=side,
        ),
        steps_per_epoch=PASCAL_TRAIN_EXAMPLES // _PASCAL_BATCH,
        epochs=_PASCAL_EPOCHS,
        learning_rate=0.007,
    )


@register_config_factory("seg_deeplabv3plus_cityscapes")
def seg_deeplabv3plus_cityscapes() -> ExperimentConfig:
    """Return DeepLabV3+ on Cityscapes with the published hyperparameters: 500 epochs at a batch of 16.

    Training sees crops of 512x1024 pixels, evaluation whole images of 1024x2048; the mean in the pyramid pooling is of
    as many pixels in both. Set `task.train_data.input_path` and `task.validation_data.input_path` to TFRecords with
    Model Garden's keys and the 19 training ids (255 is ignored), and `task.init_checkpoint` to a ResNet-101 with the
    deep stem that was trained on ImageNet.

    References:
        Chen et al., "Encoder-Decoder with Atrous Separable Convolution for Semantic Image Segmentation", 2018.
        Cordts et al., "The Cityscapes Dataset for Semantic Urban Scene Understanding", 2016.
        Model Garden, `seg_deeplabv3plus_cityscapes` (crops, schedule, normalisation, activation).
    """
    crop, whole = [512, 1024], [1024, 2048]
    return _deeplabv3plus(
        num_classes=CITYSCAPES_CLASSES,
        aspp=ASPPConfig(level=4, dilation_rates=[6, 12, 18], pool_kernel_size=crop),
        norm_momentum=0.99,
        train_data=SegmentationDataConfig(
            input_path="cityscapes-tfrecord/train_fine*",
            is_training=True,
            global_batch_size=_CITYSCAPES_BATCH,
            seed=0,
            output_size=whole,
            crop_size=crop,
            aug_scale_min=0.5,
            aug_scale_max=2.0,
        ),
        validation_data=SegmentationDataConfig(
            input_path="cityscapes-tfrecord/val_fine*",
            is_training=False,
            global_batch_size=_CITYSCAPES_BATCH,
            output_size=whole,
        ),
        steps_per_epoch=CITYSCAPES_TRAIN_EXAMPLES // _CITYSCAPES_BATCH,
        epochs=_CITYSCAPES_EPOCHS,
        learning_rate=0.01,
    )


def _deeplabv3plus(
    *,
    num_classes: int,
    aspp: ASPPConfig,
    norm_momentum: float,
    train_data: SegmentationDataConfig,
    validation_data: SegmentationDataConfig,
    steps_per_epoch: int,
    epochs: int,
    learning_rate: float,
) -> ExperimentConfig:
    """Return DeepLabV3+ on ResNet-101 at an output stride of 16, with the polynomial schedule."""
    train_steps = epochs * steps_per_epoch
    return ExperimentConfig(
        task=SegmentationConfig(
            model=SegmentationModelConfig(
                num_classes=num_classes,
                backbone=BackboneConfig(
                    resnet=ResNetConfig(model_id=101, stem="deep", output_stride=16, multigrid=[1, 2, 4])
                ),
                decoder=DecoderConfig(type="aspp", aspp=aspp),
                head=SegmentationHeadConfig(level=4, num_convs=2, feature_fusion="deeplabv3plus", low_level=2),
                norm_activation=NormActivationConfig(
                    activation="swish", use_sync_bn=True, norm_momentum=norm_momentum, norm_epsilon=1e-3
                ),
            ),
            losses=LossesConfig(l2_weight_decay=1e-4),
            train_data=train_data,
            validation_data=validation_data,
            init_checkpoint_modules="backbone",
        ),
        trainer=TrainerConfig(
            train_steps=train_steps,
            steps_per_loop=steps_per_epoch,
            summary_interval=steps_per_epoch,
            validation_interval=steps_per_epoch,
            checkpoint_interval=steps_per_epoch,
            # The position in the data includes the shuffle buffer, 1,000 photos.
            checkpoint_train_iterator=False,
            optimizer_config=OptimizationConfig.from_dict(
                {
                    "optimizer": {"type": "sgd", "sgd": {"momentum": 0.9}},
                    "learning_rate": {
                        "type": "polynomial",
                        "polynomial": {
                            "initial_learning_rate": learning_rate,
                            "decay_steps": train_steps,
                            "end_learning_rate": 0.0,
                            "power": 0.9,
                        },
                    },
                    "warmup": {"type": "linear", "linear": {"warmup_steps": _WARMUP_EPOCHS * steps_per_epoch}},
                }
            ),
            best_checkpoint_export_subdir="best_ckpt",
            best_checkpoint_eval_metric="mean_iou",
        ),
        runtime=RuntimeConfig(distribution_strategy="mirrored"),
    )
