"""Decodes records, with errors that say which one is broken, and where."""

from collections.abc import Callable

import tensorflow as tf
from assay.reference_tasks.classification.inputs.messages import require, sentence
from assay.reference_tasks.classification.inputs.reader import Record

ENCODED_KEY = "image/encoded"
LABEL_KEY = "image/class/label"
NO_LABEL = -1
"""What a record without a label gets, as in Model Garden; the parser refuses it."""

FEATURES = {
    ENCODED_KEY: tf.io.FixedLenFeature([], tf.string),
    LABEL_KEY: tf.io.FixedLenFeature([], tf.int64, NO_LABEL),
}
"""What is read of a `tf.train.Example`."""

_GROUP_SIZE = 64  # records; a group costs some 3 ms of its own (TensorFlow 2.21), decoding a photo 5 ms
_PARALLEL_GROUPS = 2  # so that one is decoded while the end of another is waited for
_EXAMPLE_BEGINS = b"\n"  # the tag of its only field


def decode_image(encoded: tf.Tensor, channels: int) -> tf.Tensor:
    """Decode a JPEG, PNG, GIF or BMP image; of an animated GIF the first frame.

    Args:
        encoded: String scalar.
        channels: Channels of the result; an image that has others is converted where its format allows.

    Returns:
        uint8 `[height, width, channels]`.
    """
    image = tf.io.decode_image(encoded, channels=channels, expand_animations=False)
    return tf.ensure_shape(image, [None, None, channels])


def no_image(channels: int) -> tf.Tensor:
    """Return an image without pixels: uint8 `[0, 0, channels]`."""
    return tf.zeros([0, 0, channels], tf.uint8)


def decode_records(
    records: tf.data.Dataset,
    decode: Callable[[Record], Record],
    *,
    otherwise: Record,
    explain: Callable[[Record], tf.Tensor],
) -> tf.data.Dataset:
    """Decode each record; where that fails, fail with an explanation instead of TensorFlow's error.

    A graph has no way to catch an error, and the errors of decoding operations do not tell which file they are about.
    But a dataset can leave out elements with errors. So a few records at a time go through a dataset of their own,
    with their numbers, and the first that is left out is explained. Unlike `Dataset.get_single_element` inside
    `Dataset.map`, this leaves the iterator fit for a checkpoint.

    Args:
        records: Records to decode.
        decode: Decodes one.
        otherwise: A record of the structure, dtypes and ranks that `decode` returns; it is never passed on.
        explain: Returns what is wrong with a broken record. May fail with an error of its own.

    Returns:
        The decoded records, in the same order.
    """

    def decode_group(group: Record) -> tf.data.Dataset:
        size = tf.size(group[next(iter(group))], out_type=tf.int64)

        def checked(number: tf.Tensor, numbered: tuple[tf.Tensor, Record]) -> Record:
            survivor, decoded = numbered
            good = tf.equal(number, survivor)
            message = tf.cond(
                good,
                lambda: tf.constant(""),
                lambda: explain({key: tf.gather(value, number) for key, value in group.items()}),
            )
            with tf.control_dependencies([require(good, message)]):
                return {key: tf.identity(value) for key, value in decoded.items()}

        survivors = tf.data.Dataset.from_tensor_slices(group).enumerate()
        survivors = survivors.map(
            lambda number, record: (number, decode(record)), num_parallel_calls=tf.data.AUTOTUNE
        ).ignore_errors()
        end = tf.data.Dataset.from_tensors((size, otherwise))
        return survivors.concatenate(end).enumerate().map(checked).take(size)

    return records.batch(_GROUP_SIZE).interleave(
        decode_group, cycle_length=_PARALLEL_GROUPS, block_length=_GROUP_SIZE, num_parallel_calls=tf.data.AUTOTUNE
    )


def explain_image(encoded: tf.Tensor, what: tf.Tensor, channels: int) -> tf.Tensor:
    """Say that an image cannot be decoded.

    Args:
        encoded: String scalar.
        what: String scalar that names the image.
        channels: Channels that it should have had.
    """
    return sentence(
        what,
        f" cannot be decoded as a JPEG, PNG, GIF or BMP image with {channels} channels. It has ",
        tf.strings.length(encoded),
        " bytes, and is likely damaged, cut off, or of another format.",
    )


def explain_example(serialized: tf.Tensor, source: tf.Tensor, channels: int) -> tf.Tensor:
    """Say why a `tf.train.Example` cannot be decoded.

    Args:
        serialized: String scalar.
        source: String scalar that names the record.
        channels: Channels that its image should have had.
    """

    def explain_features() -> tf.Tensor:
        # Parsed again with its name, so that TensorFlow's error, if any, names it, and the key.
        parsed = tf.io.parse_example(serialized[tf.newaxis], FEATURES, example_names=source[tf.newaxis])
        return explain_image(parsed[ENCODED_KEY][0], sentence(source, f": {ENCODED_KEY}"), channels)

    begin = tf.strings.substr(serialized, 0, len(_EXAMPLE_BEGINS))
    return tf.cond(
        tf.logical_or(tf.equal(begin, _EXAMPLE_BEGINS), tf.equal(begin, b"")),
        explain_features,
        lambda: sentence(
            source,
            f": {ENCODED_KEY} cannot be read, as the record is no tf.train.Example. It has ",
            tf.strings.length(serialized),
            " bytes.",
        ),
    )
