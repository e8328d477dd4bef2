"""Decodes PNG files whose pixels are class ids: grey levels of any depth, or indices into a palette."""

import tensorflow as tf
from assay.reference_tasks.vision.inputs.messages import require, sentence

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_FIRST_CHUNK = len(_SIGNATURE)
_DEPTH_BYTE, _COLOUR_BYTE = 24, 25
_GREY, _PALETTE = 0, 3  # colour types
_CHUNK_FRAME = 12  # bytes of a chunk beside its content: 4 of length, 4 of name, 4 of checksum


def decode_label_map(encoded: tf.Tensor) -> tf.Tensor:
    """Decode a PNG file of one channel into what is written in it.

    An image decoder would give something else: it turns the entries of a palette into grey levels, and spreads grey
    levels of 1, 2 or 4 bits over 0 to 255. Where a palette has a colour twice, the lower index stands for it.

    Args:
        encoded: String scalar.

    Returns:
        int32 `[height, width, 1]`.

    Raises:
        tf.errors.InvalidArgumentError: It is no PNG file of grey levels or palette indices, or it is damaged.
    """
    colour, depth = _byte(encoded, _COLOUR_BYTE), _byte(encoded, _DEPTH_BYTE)
    is_label_map = tf.logical_and(_is_png(encoded), tf.logical_or(tf.equal(colour, _GREY), tf.equal(colour, _PALETTE)))
    with tf.control_dependencies([require(is_label_map, tf.constant("no label map"))]):
        encoded = tf.identity(encoded)
    return tf.cond(tf.equal(colour, _PALETTE), lambda: _indices(encoded), lambda: _levels(encoded, depth))


def explain_label_map(encoded: tf.Tensor, what: tf.Tensor) -> tf.Tensor:
    """Say why a label map cannot be decoded.

    Args:
        encoded: String scalar.
        what: String scalar that names the label map.
    """
    is_png = _is_png(encoded)
    is_of_one_channel = tf.cond(
        is_png,
        lambda: tf.reduce_any(tf.equal(_byte(encoded, _COLOUR_BYTE), [_GREY, _PALETTE])),
        lambda: tf.constant(False),
    )
    reason = tf.where(
        is_of_one_channel,
        "is likely damaged or cut off.",
        tf.where(
            is_png,
            "has several channels: colours, not class ids. Write the ids as grey levels, or with a palette.",
            "is no PNG file (a JPEG file would not keep ids exact).",
        ),
    )
    return sentence(
        what,
        " cannot be decoded as a PNG image of class ids. It has ",
        tf.strings.length(encoded),
        " bytes, and ",
        reason,
    )


def no_label_map() -> tf.Tensor:
    """Return a label map without pixels: int32 `[0, 0, 1]`."""
    return tf.zeros([0, 0, 1], tf.int32)


def _is_png(encoded: tf.Tensor) -> tf.Tensor:
    begins = tf.equal(tf.strings.substr(encoded, 0, len(_SIGNATURE)), _SIGNATURE)
    return tf.logical_and(begins, tf.strings.length(encoded) > _COLOUR_BYTE)


def _byte(encoded: tf.Tensor, place: int) -> tf.Tensor:
    return tf.cast(tf.io.decode_raw(_bytes(encoded, place, 1), tf.uint8)[0], tf.int32)


def _bytes(encoded: tf.Tensor, place: tf.Tensor | int, count: int) -> tf.Tensor:
    """Return so many bytes, zeros beyond the end: TensorFlow's own error would hold the bytes, which are no text."""
    there = tf.strings.substr(encoded, tf.minimum(place, tf.strings.length(encoded)), count)
    return tf.strings.substr(tf.strings.join([there, b"\0" * count]), 0, count)


def _levels(encoded: tf.Tensor, depth: tf.Tensor) -> tf.Tensor:
    def deep() -> tf.Tensor:
        return tf.cast(tf.io.decode_png(encoded, channels=1, dtype=tf.uint16), tf.int32)

    def shallow() -> tf.Tensor:
        spread = 255 // (tf.bitwise.left_shift(1, depth) - 1)  # what the decoder multiplies levels of few bits by
        return tf.cast(tf.io.decode_png(encoded, channels=1), tf.int32) // spread

    return tf.ensure_shape(tf.cond(tf.equal(depth, 16), deep, shallow), [None, None, 1])


def _indices(encoded: tf.Tensor) -> tf.Tensor:
    palette = _codes(tf.reshape(tf.io.decode_raw(_chunk(encoded, b"PLTE"), tf.uint8), [-1, 3]))
    by_code = tf.argsort(palette, stable=True)
    pixels = _codes(tf.io.decode_png(encoded, channels=3))
    place = tf.searchsorted(tf.gather(palette, by_code), tf.reshape(pixels, [-1]))
    return tf.reshape(tf.gather(by_code, place), tf.concat([tf.shape(pixels), [1]], 0))


def _codes(colours: tf.Tensor) -> tf.Tensor:
    """Return one number for each colour `[..., 3]`."""
    red, green, blue = tf.unstack(tf.cast(colours, tf.int32), axis=-1)
    return (red * 256 + green) * 256 + blue


def _chunk(encoded: tf.Tensor, name: bytes) -> tf.Tensor:
    """Return the content of the first chunk with a name, which must be there."""
    size = tf.strings.length(encoded)

    def length(place: tf.Tensor) -> tf.Tensor:
        stated = tf.io.decode_raw(_bytes(encoded, place, 4), tf.int32, little_endian=False)[0]
        return tf.clip_by_value(stated, 0, size)  # a damaged file may state anything

    def is_other(place: tf.Tensor) -> tf.Tensor:
        return tf.logical_and(place < size, tf.not_equal(_bytes(encoded, place + 4, len(name)), name))

    (place,) = tf.while_loop(
        is_other, lambda place: [place + length(place) + _CHUNK_FRAME], [tf.constant(_FIRST_CHUNK)]
    )
    with tf.control_dependencies([require(place < size, tf.constant("no palette"))]):
        return tf.strings.substr(encoded, tf.minimum(place + 8, size), length(place))
