"""A small instance of the task, for tests and for the conformance suite."""

from assay.reference_tasks.retinanet.config import (
    AnchorConfig,
    DetectionGeneratorConfig,
    FPNConfig,
    LossesConfig,
    RetinaNetConfig,
    RetinaNetHeadConfig,
    RetinaNetModelConfig,
)
from assay.reference_tasks.retinanet.experiments import scenes_data
from assay.reference_tasks.retinanet.task import RetinaNetTask
from assay.reference_tasks.vision.config import BackboneConfig, NormActivationConfig, ResNetConfig

SUBJECT_BATCH_SIZE = 8
SUBJECT_SHUFFLE_BUFFER = 64


def scenes_subject() -> RetinaNetTask:
    """Return a new task: the digit scenes at a quarter of their size, on a ResNet-10 with 16 filters and two levels.

    The data is that of the experiment `digits_detection`, seeded; the buffers are small, so that the first batch
    comes soon.
    """
    small = {"cache": False, "shuffle_buffer_size": SUBJECT_SHUFFLE_BUFFER, "max_num_instances": 10}
    return RetinaNetTask(
        RetinaNetConfig(
            model=RetinaNetModelConfig(
                num_classes=11,
                input_size=[32, 32, 3],
                min_level=2,
                max_level=3,
                anchor=AnchorConfig(num_scales=1, aspect_ratios=(0.6, 1.0), anchor_size=2.0),
                backbone=BackboneConfig(resnet=ResNetConfig(model_id=10, filters=16)),
                decoder=FPNConfig(num_filters=8),
                head=RetinaNetHeadConfig(num_convs=1, num_filters=8),
                detection_generator=DetectionGeneratorConfig(pre_nms_top_k=50, max_num_detections=10),
                # Batch statistics over all replicas, so that two of them train as one does.
                norm_activation=NormActivationConfig(use_sync_bn=True, norm_momentum=0.9, norm_epsilon=1e-5),
            ),
            losses=LossesConfig(l2_weight_decay=1e-4),
            train_data=scenes_data(is_training=True, global_batch_size=SUBJECT_BATCH_SIZE).replace(**small),
            validation_data=scenes_data(is_training=False, global_batch_size=SUBJECT_BATCH_SIZE).replace(**small),
            summary_images=2,
        )
    )
