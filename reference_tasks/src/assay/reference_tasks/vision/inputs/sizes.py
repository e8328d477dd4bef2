"""Holds the sizes that a record states against those of its images."""

from collections.abc import Sequence

import tensorflow as tf
from assay.reference_tasks.vision.inputs.messages import require, sentence

HEIGHT_KEY, WIDTH_KEY = "image/height", "image/width"
UNKNOWN = -1
"""What a size that is not stated is, as in Model Garden; 0 and below all stand for it."""


def check_size(
    source: tf.Tensor,
    image: tf.Tensor,
    *,
    height: tf.Tensor,
    width: tf.Tensor,
    keys: tuple[str, str] = (HEIGHT_KEY, WIDTH_KEY),
) -> tf.Operation:
    """Return an operation that fails, naming source and key, when an image does not have the size that is stated.

    Args:
        source: String scalar that names the record.
        image: `[height, width, channels]`.
        height: int64 scalar, what is stated; `UNKNOWN` for nothing.
        width: int64 scalar, likewise.
        keys: Name the two.
    """
    actual = tf.shape(image, tf.int64)
    checks = [
        require(
            tf.logical_or(stated <= 0, tf.equal(stated, actual[axis])),
            sentence(
                *(source, f": {key} is ", stated, ", but the image has ", actual[axis]),
                ". Boxes and areas are stated for one of the two sizes, so it must be clear which: write the size of "
                "the file as it is, without turning it by its EXIF orientation.",
            ),
        )
        for axis, (key, stated) in enumerate(zip(keys, (height, width), strict=True))
    ]
    return tf.group(*checks)


def check_same_size(source: tf.Tensor, image: tf.Tensor, mask: tf.Tensor, *, key: str) -> tf.Operation:
    """Return an operation that fails, naming source and key, when a label map does not have the size of its image.

    Args:
        source: String scalar that names the record.
        image: `[height, width, channels]`.
        mask: `[height, width, 1]`.
        key: Names the label map.
    """
    return require(
        tf.reduce_all(tf.equal(tf.shape(image)[:2], tf.shape(mask)[:2])),
        sentence(
            *(source, f": {key} has the size ", *_sides(mask), " (height x width), but the image has ", *_sides(image)),
            ".",
        ),
    )


def _sides(image: tf.Tensor) -> Sequence[object]:
    return tf.shape(image)[0], " x ", tf.shape(image)[1]
