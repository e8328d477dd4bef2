"""Assembles readers and the parser into the dataset of one input pipeline."""

import tensorflow as tf
from assay.reference_tasks.segmentation.config import SegmentationDataConfig
from assay.reference_tasks.segmentation.inputs.parser import Parser
from assay.reference_tasks.vision.inputs import pipeline
from assay.reference_tasks.vision.inputs.readers import make_segmentation_reader


def make_dataset(
    params: SegmentationDataConfig, *, num_classes: int, input_context: tf.distribute.InputContext | None = None
) -> tf.data.Dataset:
    """Make the dataset of one input pipeline; what it promises is said of `vision.inputs.make_dataset`.

    Args:
        params: What to read and how.
        num_classes: Number of classes; a label beyond it, other than that of ignored pixels, is an error.
        input_context: Which of how many pipelines this is, and the number of replicas that share the global batch.

    Returns:
        A dataset of `(images, labels)` as `Parser` makes them, with a first axis of
        `global_batch_size / num_replicas_in_sync`, static when the remainder is dropped.

    Raises:
        ConfigError: The batch does not divide among the replicas.
        InputFilesError: There is nothing to read.
    """
    parser = Parser(params)
    return pipeline.make_dataset(
        params,
        pipeline.make_sources(params, lambda path: make_segmentation_reader(params, path, num_classes=num_classes)),
        parse_train=parser.parse_train,
        parse_eval=parser.parse_eval,
        input_context=input_context,
    )
