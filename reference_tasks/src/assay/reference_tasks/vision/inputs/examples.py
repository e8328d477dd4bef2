"""Decodes `tf.train.Example` records, whatever a task keeps in them."""

import dataclasses
from collections.abc import Mapping
from typing import Any, Protocol

import tensorflow as tf
from assay.reference_tasks.vision.inputs.decoding import Part, decode_records
from assay.reference_tasks.vision.inputs.messages import sentence
from assay.reference_tasks.vision.inputs.pixel_codecs import Codec
from assay.reference_tasks.vision.inputs.reader import SOURCE, Record

SERIALIZED = "serialized"
ENCODED_KEY = "image/encoded"
"""The feature key of an image file."""

_EXAMPLE_BEGINS = b"\n"  # the tag of its only field


@dataclasses.dataclass(frozen=True)
class EncodedFeature:
    """A feature that is an image file or a label map.

    Attributes:
        key: Its feature key.
        codec: How it is decoded.
    """

    key: str
    codec: Codec


class ExampleDecoder(Protocol):
    """What a task reads of a `tf.train.Example`."""

    @property
    def images(self) -> Mapping[str, EncodedFeature]:
        """The image files in it, at least one, by the key of the decoded image in the record."""

    @property
    def features(self) -> Mapping[str, Any]:
        """What else is parsed, by feature key; an image file named here, too, stays in the record undecoded.

        `tf.io.FixedLenFeature` of shape `[]`, or `tf.io.FixedLenSequenceFeature` for lists of any length.
        """

    def finish(self, record: Record) -> Record:
        """Return the decoded record, given `source`, the decoded images and the parsed features.

        Must fail, at a record that is broken, with an error that names its source and the key.
        """


def decode_examples(records: tf.data.Dataset, decoder: ExampleDecoder) -> tf.data.Dataset:
    """Decode records of `source` and `serialized`, a `tf.train.Example`; an error names the source and the key.

    Args:
        records: The records.
        decoder: What to read of each.
    """
    parts = [
        _part(name, image, decoder.features if number == 0 else {})
        for number, (name, image) in enumerate(decoder.images.items())
    ]
    return decode_records(records, *parts).map(decoder.finish, num_parallel_calls=tf.data.AUTOTUNE)


def _part(name: str, image: EncodedFeature, others: Mapping[str, Any]) -> Part:
    """Return the part of decoding that is one image, with other features."""
    features = {image.key: tf.io.FixedLenFeature([], tf.string), **others}

    def decode(record: Record) -> Record:
        parsed = tf.io.parse_single_example(record[SERIALIZED], features)
        decoded = image.codec.decode(parsed[image.key])
        return {SOURCE: record[SOURCE], name: decoded, **{key: parsed[key] for key in others}}

    def explain(record: Record) -> tf.Tensor:
        return _explain(record[SERIALIZED], record[SOURCE], image, features)

    nothing = {key: tf.zeros([0] if _is_list(feature) else [], feature.dtype) for key, feature in others.items()}
    return Part(decode, {SOURCE: "", name: image.codec.nothing(), **nothing}, explain)


def _is_list(feature: Any) -> bool:
    return isinstance(feature, tf.io.FixedLenSequenceFeature)


def _explain(serialized: tf.Tensor, source: tf.Tensor, image: EncodedFeature, features: Mapping[str, Any]) -> tf.Tensor:
    """Say why a `tf.train.Example` cannot be decoded."""

    def explain_features() -> tf.Tensor:
        # Parsed again with its name, so that TensorFlow's error, if any, names it, and the key.
        parsed = tf.io.parse_example(serialized[tf.newaxis], features, example_names=source[tf.newaxis])
        return image.codec.explain(parsed[image.key][0], sentence(source, f": {image.key}"))

    begin = tf.strings.substr(serialized, 0, len(_EXAMPLE_BEGINS))
    return tf.cond(
        tf.logical_or(tf.equal(begin, _EXAMPLE_BEGINS), tf.equal(begin, b"")),
        explain_features,
        lambda: sentence(
            source,
            f": {image.key} cannot be read, as the record is no tf.train.Example. It has ",
            tf.strings.length(serialized),
            " bytes.",
        ),
    )
