"""Makes the reader that a configuration names."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from assay.core import ConfigError
from assay.reference_tasks.vision.inputs.annotated_images import AnnotatedImageReader
from assay.reference_tasks.vision.inputs.coco_files import load_coco
from assay.reference_tasks.vision.inputs.config import (
    DetectionInputConfig,
    SegmentationInputConfig,
    VisionDataConfig,
)
from assay.reference_tasks.vision.inputs.detection import DetectionDecoder
from assay.reference_tasks.vision.inputs.examples import ExampleDecoder
from assay.reference_tasks.vision.inputs.image_pairs import ImagePairReader, load_image_folder
from assay.reference_tasks.vision.inputs.paths import one_path, split_path
from assay.reference_tasks.vision.inputs.reader import Reader
from assay.reference_tasks.vision.inputs.segmentation import SegmentationDecoder
from assay.reference_tasks.vision.inputs.tfrecords import TFRecordReader
from assay.reference_tasks.vision.inputs.voc_folders import find_voc_pairs, load_voc_boxes

logger = logging.getLogger(__name__)

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
    checks: dict[str, Any] = {"num_classes": num_classes, "ignore_label": params.ignore_label}
    if params.reader == "voc":
        pairs = [pair for root in split_path(input_path) for pair in find_voc_pairs(root, split=params.split)]
        return ImagePairReader(pairs, **checks)
    if params.reader == "folder":
        return load_image_folder(
            one_path(input_path, "`input_path`"),
            params.label_map_folder,
            label_file=params.label_file,
            image_suffix=params.image_suffix,
            label_map_suffix=params.label_map_suffix,
            **checks,
        )
    return _tfrecord_reader(params, input_path, SegmentationDecoder(**checks))


def make_detection_reader(
    params: DetectionInputConfig,
    input_path: Paths,
    *,
    num_classes: int | None = None,
    attributes: Mapping[str, int] | None = None,
) -> Reader:
    """Make a reader of images with boxes; see `DetectionDecoder`.

    Args:
        params: Says which, and how to read.
        input_path: What to read; see `DetectionInputConfig.reader`.
        num_classes: Class ids must be below it; None lets all above 0 pass.
        attributes: Numbers that each object has of an attribute, by its name. Only TFRecords have them.

    Raises:
        InputFilesError: There is nothing to read.
        ConfigError: There are attributes to read, of files that have none.
    """
    if attributes and params.reader != "tfrecord":
        raise ConfigError(f"`reader: {params.reader}` has no attributes of objects; received {sorted(attributes)}.")
    if params.reader == "tfrecord":
        decoder = DetectionDecoder(num_classes=num_classes, include_mask=params.include_mask, attributes=attributes)
        return _tfrecord_reader(params, input_path, decoder)
    path = one_path(input_path, "`input_path`")
    if params.reader == "voc":
        images = load_voc_boxes(path, split=params.split, label_file=params.label_file)
    else:
        images = load_coco(
            path,
            image_folder=params.image_folder,
            category_ids=params.category_ids,
            include_mask=params.include_mask,
        )
    for reason, count in images.left_out.items():
        logger.warning("%s: left out %d objects: %s.", images.name, count, reason)
    return AnnotatedImageReader(images, num_classes=num_classes)


def _tfrecord_reader(params: VisionDataConfig, input_path: Paths, decoder: ExampleDecoder) -> TFRecordReader:
    return TFRecordReader(
        input_path,
        decoder,
        compressed=params.file_type == "tfrecord_compressed",
        cycle_length=params.cycle_length,
        block_length=params.block_length,
    )
