"""Assembles a reader and a parser into the dataset of one input pipeline."""

from collections.abc import Sequence

import tensorflow as tf
from assay.reference_tasks.classification.config import ImageDataConfig
from assay.reference_tasks.classification.inputs.arrays import ArraysReader
from assay.reference_tasks.classification.inputs.image_folder import ImageFolderReader
from assay.reference_tasks.classification.inputs.parser import Parser
from assay.reference_tasks.classification.inputs.tfrecords import TFRecordReader
from assay.reference_tasks.vision.inputs import pipeline
from assay.reference_tasks.vision.inputs.reader import Reader


def make_reader(params: ImageDataConfig, input_path: str | Sequence[str], *, channels: int) -> Reader:
    """Make the reader that a configuration names.

    Args:
        params: Says which, and how to read.
        input_path: What to read; see `ImageDataConfig.reader`.
        channels: Channels of the images.

    Raises:
        InputFilesError: There is nothing to read.
    """
    if params.reader == "image_folder":
        return ImageFolderReader(input_path, channels=channels)
    if params.reader == "arrays":
        path = input_path if isinstance(input_path, str) else ",".join(input_path)
        return ArraysReader.load(path, channels=channels)
    return TFRecordReader(
        input_path,
        channels=channels,
        compressed=params.file_type == "tfrecord_compressed",
        cycle_length=params.cycle_length,
        block_length=params.block_length,
    )


def make_dataset(
    params: ImageDataConfig,
    *,
    input_size: Sequence[int],
    num_classes: int,
    input_context: tf.distribute.InputContext | None = None,
    reader: Reader | None = None,
) -> tf.data.Dataset:
    """Make the dataset of one input pipeline; what it promises is said of `vision.inputs.make_dataset`.

    Args:
        params: What to read and how.
        input_size: Height, width and channels of the images.
        num_classes: Number of classes; a label beyond it is an error.
        input_context: Which of how many pipelines this is, and the number of replicas that share the global batch.
        reader: What to read instead of `params.input_path`, for example an `ArraysReader`.

    Returns:
        A dataset of `(images, labels)`: `params.dtype` `[batch, height, width, channels]` and int32 `[batch]`, where
        `batch` is `global_batch_size / num_replicas_in_sync` and static when the remainder is dropped.

    Raises:
        ConfigError: The batch does not divide among the replicas.
        InputFilesError: There is nothing to read.
    """
    parser = Parser(params, input_size=input_size, num_classes=num_classes)
    return pipeline.make_dataset(
        params,
        reader or pipeline.make_sources(params, lambda path: make_reader(params, path, channels=input_size[2])),
        parse_train=parser.parse_train,
        parse_eval=parser.parse_eval,
        input_context=input_context,
    )
