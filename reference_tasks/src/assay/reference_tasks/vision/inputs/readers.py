"""Makes the reader that a configuration names."""

from collections.abc import Sequence

from assay.reference_tasks.vision.inputs.config import (
    DetectionInputConfig,
    SegmentationInputConfig,
    VisionDataConfig,
)
from assay.reference_tasks.vision.inputs.detection import DetectionDecoder
from assay.reference_tasks.vision.inputs.examples import ExampleDecoder
from assay.reference_tasks.vision.inputs.reader import Reader
from assay.reference_tasks.vision.inputs.segmentation import SegmentationDecoder
from assay.reference_tasks.vision.inputs.tfrecords import TFRecordReader

Paths = str | Sequence[str]


def make_segmentation_reader(
    params: SegmentationInputConfig, input_path: Paths, *, num_classes: int | None = None
) -> Reader:
    """Make a reader of `source`, `source_id`, `image` and `mask`; see `SegmentationDecoder`.

    Args:
        params: Says which, and how to read.
        input_path: What to read; see `SegmentationInputConfig.reader`.
        num_classes: Ids in label maps must be below it, but for `params.ignore_label`; None checks nothing.

    Raises:
        InputFilesError: There is nothing to read.
    """
    return _tfrecord_reader(
        params, input_path, SegmentationDecoder(num_classes=num_classes, ignore_label=params.ignore_label)
    )


def make_detection_reader(params: DetectionInputConfig, input_path: Paths, *, num_classes: int | None = None) -> Reader:
    """Make a reader of images with boxes; see `DetectionDecoder`.

    Args:
        params: Says which, and how to read.
        input_path: What to read; see `DetectionInputConfig.reader`.
        num_classes: Class ids must be below it; None lets all above 0 pass.

    Raises:
        InputFilesError: There is nothing to read.
    """
    decoder = DetectionDecoder(num_classes=num_classes, include_mask=params.include_mask)
    return _tfrecord_reader(params, input_path, decoder)


def _tfrecord_reader(params: VisionDataConfig, input_path: Paths, decoder: ExampleDecoder) -> TFRecordReader:
    return TFRecordReader(
        input_path,
        decoder,
        compressed=params.file_type == "tfrecord_compressed",
        cycle_length=params.cycle_length,
        block_length=params.block_length,
    )
