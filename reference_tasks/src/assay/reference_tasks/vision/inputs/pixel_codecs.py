"""Image files and label maps: how they are decoded, and what is said of those that cannot be."""

from typing import Protocol

import tensorflow as tf
from assay.reference_tasks.vision.inputs.decoding import Part
from assay.reference_tasks.vision.inputs.label_maps import decode_label_map, explain_label_map, no_label_map
from assay.reference_tasks.vision.inputs.messages import sentence
from assay.reference_tasks.vision.inputs.reader import Record


class Codec(Protocol):
    """A kind of file that holds pixels."""

    def decode(self, encoded: tf.Tensor) -> tf.Tensor:
        """Return the pixels `[height, width, channels]` of a file, given as a string scalar; fail if it is damaged."""

    def explain(self, encoded: tf.Tensor, what: tf.Tensor) -> tf.Tensor:
        """Say why `decode` fails on a file that `what` names."""

    def nothing(self) -> tf.Tensor:
        """Return a result without pixels."""


class ImageCodec:
    """JPEG, PNG, GIF (the first frame) and BMP images, as uint8.

    Args:
        channels: Channels of the result; an image that has others is converted where its format allows.
    """

    def __init__(self, channels: int) -> None:
        self._channels = channels

    def decode(self, encoded: tf.Tensor) -> tf.Tensor:
        """Return uint8 `[height, width, channels]`; see `Codec.decode`."""
        image = tf.io.decode_image(encoded, channels=self._channels, expand_animations=False)
        return tf.ensure_shape(image, [None, None, self._channels])

    def explain(self, encoded: tf.Tensor, what: tf.Tensor) -> tf.Tensor:
        """Say that an image cannot be decoded; see `Codec.explain`."""
        return sentence(
            *(what, " cannot be decoded as a JPEG, PNG, GIF or BMP image with ", str(self._channels)),
            *(" channels. It has ", tf.strings.length(encoded)),
            " bytes, and is likely damaged, cut off, or of another format.",
        )

    def nothing(self) -> tf.Tensor:
        """Return uint8 `[0, 0, channels]`."""
        return tf.zeros([0, 0, self._channels], tf.uint8)


class LabelMapCodec:
    """PNG files of class ids, as int32 `[height, width, 1]`."""

    def decode(self, encoded: tf.Tensor) -> tf.Tensor:
        """Return the ids; see `decode_label_map`."""
        return decode_label_map(encoded)

    def explain(self, encoded: tf.Tensor, what: tf.Tensor) -> tf.Tensor:
        """Say why it cannot be decoded; see `Codec.explain`."""
        return explain_label_map(encoded, what)

    def nothing(self) -> tf.Tensor:
        """Return int32 `[0, 0, 1]`."""
        return no_label_map()


def file_part(name: str, path_key: str, codec: Codec, *, keep: Record) -> Part:
    """Return the part of decoding that is a file of its own.

    Args:
        name: Key of its pixels in the decoded record.
        path_key: Key of its path in the record.
        codec: How to decode it.
        keep: Other keys of the record that the decoded one has too, each with a value of that dtype and rank.
    """

    def decode(record: Record) -> Record:
        return {name: codec.decode(tf.io.read_file(record[path_key])), **{key: record[key] for key in keep}}

    def explain(record: Record) -> tf.Tensor:
        # Reading fails by itself, naming the file, if that is what is wrong.
        return codec.explain(tf.io.read_file(record[path_key]), sentence(record[path_key], ": the file"))

    return Part(decode, {name: codec.nothing(), **keep}, explain)
