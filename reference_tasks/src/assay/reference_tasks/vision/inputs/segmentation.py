"""Images with a class for each pixel: the decoded record, and how it is read from TFRecords."""

import tensorflow as tf
from assay.reference_tasks.vision.inputs.examples import ENCODED_KEY, EncodedFeature
from assay.reference_tasks.vision.inputs.messages import require, sentence
from assay.reference_tasks.vision.inputs.pixel_codecs import ImageCodec, LabelMapCodec
from assay.reference_tasks.vision.inputs.reader import IMAGE, SOURCE, Record
from assay.reference_tasks.vision.inputs.sizes import HEIGHT_KEY, UNKNOWN, WIDTH_KEY, check_same_size, check_size
from assay.reference_tasks.vision.inputs.source_ids import SOURCE_ID, source_id_or_hash

MASK = "mask"
"""Key of a decoded label map: int32 `[height, width, 1]`, class ids, and the label of pixels to ignore."""

IGNORE_LABEL = 255
MASK_KEY = "image/segmentation/class/encoded"
SOURCE_ID_KEY = "image/source_id"


class SegmentationDecoder:
    """Reads the image, the label map and the id of a `tf.train.Example` with Model Garden's keys.

    The decoded record: `source` (what names it in errors), `source_id` (string), `image` (uint8
    `[height, width, 3]`), `mask` (int32 `[height, width, 1]`).

    Args:
        num_classes: Ids in label maps must be below it, but for `ignore_label`; None checks nothing.
        ignore_label: Label of pixels to ignore.
    """

    def __init__(self, *, num_classes: int | None = None, ignore_label: int = IGNORE_LABEL) -> None:
        self._num_classes = num_classes
        self._ignore_label = ignore_label
        self.images = {
            IMAGE: EncodedFeature(ENCODED_KEY, ImageCodec(3)),
            MASK: EncodedFeature(MASK_KEY, LabelMapCodec()),
        }
        self.features = {
            ENCODED_KEY: tf.io.FixedLenFeature([], tf.string),
            SOURCE_ID_KEY: tf.io.FixedLenFeature([], tf.string, ""),
            HEIGHT_KEY: tf.io.FixedLenFeature([], tf.int64, UNKNOWN),
            WIDTH_KEY: tf.io.FixedLenFeature([], tf.int64, UNKNOWN),
        }

    def finish(self, record: Record) -> Record:
        """Return the decoded record; see `ExampleDecoder.finish`."""
        source_id = source_id_or_hash(record[SOURCE_ID_KEY], record[ENCODED_KEY])
        size = check_size(record[SOURCE], record[IMAGE], height=record[HEIGHT_KEY], width=record[WIDTH_KEY])
        with tf.control_dependencies([size]):
            decoded = {SOURCE: record[SOURCE], SOURCE_ID: source_id, IMAGE: record[IMAGE], MASK: record[MASK]}
            return checked_segmentation(
                decoded, key=MASK_KEY, num_classes=self._num_classes, ignore_label=self._ignore_label
            )


def checked_segmentation(record: Record, *, key: str, num_classes: int | None, ignore_label: int) -> Record:
    """Return a decoded record that fails, naming its source and the key, when its label map cannot be right.

    Args:
        record: `source`, `image`, `mask` and more.
        key: Names the label map.
        num_classes: Ids must be below it, but for `ignore_label`; None checks the size only.
        ignore_label: Label of pixels to ignore.
    """
    image, mask = record[IMAGE], record[MASK]
    checks = [check_same_size(record[SOURCE], image, mask, key=key)]
    if num_classes is not None:
        highest = tf.reduce_max(tf.where(tf.equal(mask, ignore_label), 0, mask))
        checks.append(
            require(
                highest < num_classes,
                sentence(
                    *(record[SOURCE], f": {key} has the class id ", highest),
                    f", but ids must be below the number of classes, {num_classes}, or {ignore_label} (ignored). Ids "
                    "that begin at 1 need one class more.",
                ),
            )
        )
    with tf.control_dependencies(checks):
        return {**record, MASK: tf.identity(mask)}
