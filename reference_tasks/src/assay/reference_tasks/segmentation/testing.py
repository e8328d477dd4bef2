"""A small instance of the task, for tests and for the conformance suite."""

from assay.reference_tasks.segmentation.config import LossesConfig, SegmentationConfig
from assay.reference_tasks.segmentation.experiments import SCENES_CLASSES, scenes_data
from assay.reference_tasks.segmentation.model.config import (
    ASPPConfig,
    DecoderConfig,
    SegmentationHeadConfig,
    SegmentationModelConfig,
)
from assay.reference_tasks.segmentation.task import SegmentationTask
from assay.reference_tasks.vision.config import BackboneConfig, NormActivationConfig, ResNetConfig
from assay.reference_tasks.vision.images.photometric import PhotometricConfig

SUBJECT_SIDE = 32
SUBJECT_BATCH_SIZE = 8
SUBJECT_SHUFFLE_BUFFER = 16


def scenes_subject() -> SegmentationTask:
    """Return a new task: the digit scenes at 32x32 pixels, DeepLabV3+ on a dilated ResNet-10 with 4 filters.

    The data is that of the experiment `digits_segmentation`, seeded, in other light; the buffers are small, so that the
    first batch comes soon.
    """
    light = PhotometricConfig(brightness=0.1, contrast=0.2, saturation=0.2)
    small = {
        "cache": False,
        "shuffle_buffer_size": SUBJECT_SHUFFLE_BUFFER,
        "output_size": [SUBJECT_SIDE, SUBJECT_SIDE],
    }
    return SegmentationTask(
        SegmentationConfig(
            model=SegmentationModelConfig(
                num_classes=SCENES_CLASSES,
                input_size=[SUBJECT_SIDE, SUBJECT_SIDE, 3],
                backbone=BackboneConfig(resnet=ResNetConfig(model_id=10, filters=4, stem="strided", output_stride=4)),
                decoder=DecoderConfig(type="aspp", aspp=ASPPConfig(level=2, dilation_rates=[2], num_filters=8)),
                head=SegmentationHeadConfig(level=2, num_convs=1, num_filters=8, low_level=1, low_level_num_filters=4),
                # Batch statistics over all replicas, so that two of them train as one does.
                norm_activation=NormActivationConfig(use_sync_bn=True, norm_momentum=0.9, norm_epsilon=1e-5),
            ),
            losses=LossesConfig(l2_weight_decay=1e-4),
            train_data=scenes_data(is_training=True, global_batch_size=SUBJECT_BATCH_SIZE).replace(
                **small, aug_photometric=light
            ),
            validation_data=scenes_data(is_training=False, global_batch_size=SUBJECT_BATCH_SIZE).replace(**small),
        )
    )
