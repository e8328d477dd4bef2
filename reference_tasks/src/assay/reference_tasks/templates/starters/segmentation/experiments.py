"""The experiment `starter`: change the model, the schedule and the sizes here, or with `--params_override`."""

from assay.core import ExperimentConfig, OptimizationConfig, RuntimeConfig, TrainerConfig, register_config_factory
from assay.reference_tasks.segmentation.config import LossesConfig, SegmentationConfig, SegmentationDataConfig
from assay.reference_tasks.segmentation.model.config import (
    DecoderConfig,
    FPNConfig,
    SegmentationHeadConfig,
    SegmentationModelConfig,
)
from assay.reference_tasks.templates.starters.scenes.data import PATH
from assay.reference_tasks.templates.starters.scenes.scenes import CLASS_NAMES, EXAMPLES, SIDE
from assay.reference_tasks.vision.config import BackboneConfig, NormActivationConfig, ResNetConfig

_BATCH = 16
_EPOCHS = 30


def starter_data(*, is_training: bool, global_batch_size: int = _BATCH) -> SegmentationDataConfig:
    """Return what is read, and how; see `SegmentationDataConfig` for other forms of data and other augmentation."""
    return SegmentationDataConfig(
        input_path=f"{PATH}/{'train' if is_training else 'validation'}-*",
        is_training=is_training,
        global_batch_size=global_batch_size,
        seed=0,
        cache=True,
        shuffle_buffer_size=EXAMPLES["train"],
        output_size=[SIDE, SIDE],
        aug_scale_min=0.8 if is_training else 1.0,
        aug_scale_max=1.25 if is_training else 1.0,
    )


@register_config_factory("starter")
def starter_experiment() -> ExperimentConfig:
    """Return a ResNet-10 of 16 filters with a feature pyramid on the generated scenes: a minute on two CPU cores."""
    steps_per_epoch = EXAMPLES["train"] // _BATCH
    train_steps = _EPOCHS * steps_per_epoch
    interval = 5 * steps_per_epoch
    return ExperimentConfig(
        task=SegmentationConfig(
            model=SegmentationModelConfig(
                num_classes=len(CLASS_NAMES),
                input_size=[SIDE, SIDE, 3],
                backbone=BackboneConfig(resnet=ResNetConfig(model_id=10, filters=16, stem="strided")),
                decoder=DecoderConfig(type="fpn", fpn=FPNConfig(min_level=1, max_level=4, num_filters=16)),
                head=SegmentationHeadConfig(level=1, num_convs=0, num_filters=16, feature_fusion="panoptic_fpn_fusion"),
                norm_activation=NormActivationConfig(norm_momentum=0.9, norm_epsilon=1e-5),
            ),
            # Most pixels are background, which is soon learnt.
            losses=LossesConfig(top_k_percent_pixels=0.2, l2_weight_decay=1e-4),
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
                    "warmup": {"type": "linear", "linear": {"warmup_steps": steps_per_epoch}},
                }
            ),
        ),
        runtime=RuntimeConfig(distribution_strategy="off", seed=0),
    )
