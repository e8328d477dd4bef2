"""The experiment `starter`: change the model, the schedule and the sizes here, or with `--params_override`."""

from assay.core import ExperimentConfig, OptimizationConfig, RuntimeConfig, TrainerConfig, register_config_factory
from assay.reference_tasks.classification.config import (
    ClassificationConfig,
    ClassificationModelConfig,
    EvaluationConfig,
    ImageDataConfig,
    LossesConfig,
)
from assay.reference_tasks.templates.starters.classification import data
from assay.reference_tasks.vision.config import BackboneConfig, NormActivationConfig, ResNetConfig

_BATCH = 24
_EPOCHS = 20


def starter_data(*, is_training: bool, global_batch_size: int = _BATCH) -> ImageDataConfig:
    """Return what is read, and how. Other readers take TFRecords and folders of images; see `ImageDataConfig`."""
    function = data.training_examples if is_training else data.validation_examples
    return ImageDataConfig(
        reader="arrays",
        input_path=f"{data.__name__}:{function.__name__}",
        is_training=is_training,
        global_batch_size=global_batch_size,
        seed=0,
        shuffle_buffer_size=data.TRAIN_EXAMPLES,
        image_mean=(data.MEAN,) * 3,
        image_std=(data.STD,) * 3,
        center_crop_fraction=1.0,
        aug_crop=False,
    )


@register_config_factory("starter")
def starter_experiment() -> ExperimentConfig:
    """Return a ResNet-10 of 8 filters on the generated images: above 95% in some 20 seconds on two CPU cores."""
    steps_per_epoch = data.TRAIN_EXAMPLES // _BATCH
    train_steps = _EPOCHS * steps_per_epoch
    interval = 5 * steps_per_epoch
    return ExperimentConfig(
        task=ClassificationConfig(
            model=ClassificationModelConfig(
                num_classes=len(data.CLASSES),
                input_size=[data.SIDE, data.SIDE, 3],
                backbone=BackboneConfig(resnet=ResNetConfig(model_id=10, filters=8)),
                norm_activation=NormActivationConfig(norm_momentum=0.9, norm_epsilon=1e-5),
            ),
            losses=LossesConfig(l2_weight_decay=1e-4),
            evaluation=EvaluationConfig(top_k=2),
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
                    "optimizer": {"type": "sgd", "sgd": {"momentum": 0.9, "nesterov": True}},
                    "learning_rate": {
                        "type": "cosine",
                        "cosine": {"initial_learning_rate": 0.05, "decay_steps": train_steps},
                    },
                    "warmup": {"type": "linear", "linear": {"warmup_steps": steps_per_epoch}},
                }
            ),
        ),
        runtime=RuntimeConfig(distribution_strategy="off", seed=0),
    )
