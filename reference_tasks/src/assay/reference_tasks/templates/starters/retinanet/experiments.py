"""The experiment `starter`: change the model, the schedule and the sizes here, or with `--params_override`."""

from assay.core import ExperimentConfig, OptimizationConfig, RuntimeConfig, TrainerConfig, register_config_factory
from assay.reference_tasks.retinanet.config import (
    AnchorConfig,
    DetectionDataConfig,
    DetectionGeneratorConfig,
    FPNConfig,
    RetinaNetConfig,
    RetinaNetHeadConfig,
    RetinaNetModelConfig,
)
from assay.reference_tasks.templates.starters.scenes.data import PATH
from assay.reference_tasks.templates.starters.scenes.scenes import CLASS_NAMES, EXAMPLES, SIDE
from assay.reference_tasks.vision.config import BackboneConfig, NormActivationConfig, ResNetConfig

_BATCH = 16
_EPOCHS = 50


def starter_data(*, is_training: bool, global_batch_size: int = _BATCH) -> DetectionDataConfig:
    """Return what is read, and how; see `DetectionDataConfig` for other forms of data and other augmentation."""
    return DetectionDataConfig(
        input_path=f"{PATH}/{'train' if is_training else 'validation'}-*",
        is_training=is_training,
        global_batch_size=global_batch_size,
        seed=0,
        cache=True,
        shuffle_buffer_size=EXAMPLES["train"],
        aug_rand_hflip=is_training,
        aug_scale_min=0.8 if is_training else 1.0,
        aug_scale_max=1.25 if is_training else 1.0,
        max_num_instances=10,
    )


@register_config_factory("starter")
def starter_experiment() -> ExperimentConfig:
    """Return a ResNet-10 of 16 filters with a feature pyramid on the generated scenes: two minutes on two CPU cores."""
    steps_per_epoch = EXAMPLES["train"] // _BATCH
    train_steps = _EPOCHS * steps_per_epoch
    interval = 10 * steps_per_epoch
    return ExperimentConfig(
        task=RetinaNetConfig(
            model=RetinaNetModelConfig(
                num_classes=len(CLASS_NAMES),
                input_size=[SIDE, SIDE, 3],
                min_level=2,
                max_level=3,
                # Objects are 14 to 26 pixels large, and about as wide as high.
                anchor=AnchorConfig(num_scales=2, aspect_ratios=(1.0,), anchor_size=3.5),
                backbone=BackboneConfig(resnet=ResNetConfig(model_id=10, filters=16, stem="strided")),
                decoder=FPNConfig(num_filters=32),
                head=RetinaNetHeadConfig(num_convs=1, num_filters=32),
                detection_generator=DetectionGeneratorConfig(pre_nms_top_k=200, max_num_detections=20),
                norm_activation=NormActivationConfig(norm_momentum=0.9, norm_epsilon=1e-5),
            ),
            train_data=starter_data(is_training=True),
            validation_data=starter_data(is_training=False),
        ),
        trainer=TrainerConfig(
            train_steps=train_steps,
            steps_per_loop=interval,
            summary_interval=interval,
            validation_interval=interval,
            checkpoint_interval=interval,
            optimizer_config=OptimizationConfig.from_dict(
                {
                    "optimizer": {"type": "adam"},
                    "learning_rate": {
                        "type": "cosine",
                        "cosine": {"initial_learning_rate": 0.005, "decay_steps": train_steps},
                    },
                    "warmup": {"type": "linear", "linear": {"warmup_steps": 2 * steps_per_epoch}},
                }
            ),
        ),
        runtime=RuntimeConfig(distribution_strategy="off", seed=0),
    )
