"""Reads labelled images from TFRecord files with Model Garden's feature keys."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
from assay.reference_tasks.classification.inputs.record import LABEL, LABEL_KEY, NO_LABEL
from assay.reference_tasks.vision.inputs import tfrecords
from assay.reference_tasks.vision.inputs.examples import ENCODED_KEY, EncodedFeature
from assay.reference_tasks.vision.inputs.pixel_codecs import ImageCodec
from assay.reference_tasks.vision.inputs.reader import IMAGE, SOURCE, Record


class LabelledImageDecoder:
    """Reads `image/encoded` and `image/class/label` (`NO_LABEL` where it is missing).

    Args:
        channels: Channels of the decoded images.
    """

    def __init__(self, channels: int) -> None:
        self.images = {IMAGE: EncodedFeature(ENCODED_KEY, ImageCodec(channels))}
        self.features = {LABEL_KEY: tf.io.FixedLenFeature([], tf.int64, NO_LABEL)}

    def finish(self, record: Record) -> Record:
        """Return `source`, `image` and `label`."""
        return {SOURCE: record[SOURCE], IMAGE: record[IMAGE], LABEL: record[LABEL_KEY]}


class TFRecordReader(tfrecords.TFRecordReader):
    """Labelled images of TFRecord files; options and errors as the reader of all tasks.

    Args:
        input_path: A path, a glob, several separated by commas, or a list of these.
        channels: Channels of the decoded images.
        **options: `compressed`, `cycle_length`, `block_length`.
    """

    def __init__(self, input_path: str | Sequence[str], *, channels: int = 3, **options: Any) -> None:
        super().__init__(input_path, LabelledImageDecoder(channels), **options)
