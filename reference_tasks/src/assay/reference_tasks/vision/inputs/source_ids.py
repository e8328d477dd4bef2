"""The identity of an image: `source_id`, a string that is never empty, and a number made of it for the device."""

import tensorflow as tf

SOURCE_ID = "source_id"
"""Key of an image's id in a record: a string scalar."""

_HASHED_FROM = 2**62
_NUMBER = r"-?[0-9]{1,18}"


def source_id_or_hash(source_id: tf.Tensor, encoded: tf.Tensor) -> tf.Tensor:
    """Return an id, or where it is empty a hash of the image file, as a decimal string.

    Model Garden's hash has 22 bits, so that among 5,000 images two are alike more often than not; this one has 62.

    Args:
        source_id: String scalar.
        encoded: String scalar, the image file.
    """
    digest = tf.strings.as_string(tf.strings.to_hash_bucket_fast(encoded, _HASHED_FROM))
    return tf.where(tf.equal(source_id, ""), digest, source_id)


def numeric_source_id(source_id: tf.Tensor) -> tf.Tensor:
    """Return the number that an id stands for, which identifies the image where strings cannot go.

    Args:
        source_id: String scalar, or strings of any shape.

    Returns:
        int64 of that shape: the number itself if it is one in decimal digits (`000012` is 12), as in COCO; of another
        id (`2007_000027`) a hash from 2**62 on, the same each time.
    """
    is_number = tf.strings.regex_full_match(source_id, _NUMBER)
    number = tf.strings.to_number(tf.where(is_number, source_id, "0"), tf.int64)
    return tf.where(is_number, number, _HASHED_FROM + tf.strings.to_hash_bucket_fast(source_id, _HASHED_FROM))
