"""A small instance of the task, for tests and for the conformance suite."""

from assay.reference_tasks.classification.config import (
    ClassificationConfig,
    ClassificationModelConfig,
    LossesConfig,
)
from assay.reference_tasks.classification.experiments import digits_data
from assay.reference_tasks.classification.task import ClassificationTask
from assay.reference_tasks.vision.config import BackboneConfig, NormActivationConfig, ResNetConfig

SUBJECT_BATCH_SIZE = 16
SUBJECT_SHUFFLE_BUFFER = 64


def digits_subject() -> ClassificationTask:
    """Return a new task: the digits on a ResNet-10 with 4 filters, batch normalisation and weight decay included.

    The data is that of the experiment `digits_classification`, seeded; the buffers are small, so that the first batch
    comes soon.
    """
    small = {"cache": False, "shuffle_buffer_size": SUBJECT_SHUFFLE_BUFFER}
    return ClassificationTask(
        ClassificationConfig(
            model=ClassificationModelConfig(
                num_classes=10,
                input_size=[8, 8, 1],
                backbone=BackboneConfig(resnet=ResNetConfig(model_id=10, filters=4)),
                norm_activation=NormActivationConfig(norm_momentum=0.9, norm_epsilon=1e-5),
            ),
            losses=LossesConfig(label_smoothing=0.1, l2_weight_decay=5e-4),
            train_data=digits_data(is_training=True, global_batch_size=SUBJECT_BATCH_SIZE).replace(**small),
            validation_data=digits_data(is_training=False, global_batch_size=SUBJECT_BATCH_SIZE).replace(**small),
        )
    )
