"""Image leaves: what counts as a batch of images, and the event that holds them; figures as well."""

import io
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
from assay.summaries._errors import UnwritableSummaryError
from assay.summaries._tensorflow import tensorflow

IMAGE_PLUGIN = "images"
CHANNELS = (1, 2, 3, 4)
# Rounding, of bfloat16 too, may leave [0, 1] by this much; pixels in [0, 255] or normalised ones leave it by more.
RANGE_SLACK = 0.01
# What turns [0, 1] into 0...255 with every value having an equal share, as `tf.image.convert_image_dtype` does.
FULL_SCALE = np.float32(255.5)
# The signature of a PNG file and the head of its first chunk, then width and height as big-endian uint32.
PNG_SIZE = struct.Struct(">16xII")
FIGURE_DPI = 100
# Of zlib's levels: files as small as with the default of `tf.io.encode_png` (6), in half the time.
COMPRESSION = 4


def images_of(path: str, value: Any, max_outputs: int) -> np.ndarray:
    """The first `max_outputs` images of a leaf as uint8 `[n, height, width, channels]`.

    Args:
        path: Where the leaf stands, for messages.
        value: uint8, or floats in [0, 1] (what rounding puts beyond is clipped; NaN is black), with 1 (grey), 2 (grey
            and alpha), 3 (RGB) or 4 (RGBA) channels.
        max_outputs: At least 1.

    Raises:
        UnwritableSummaryError: If it is anything else.
    """
    try:
        images = np.asarray(value.numpy() if hasattr(value, "numpy") else value)
    except Exception as error:
        raise _refusal(path, f"a {type(value).__name__} without a value here ({error})") from error
    if images.ndim != 4 or images.shape[-1] not in CHANNELS or 0 in images.shape[1:3]:
        hint = "; one image needs a batch dimension, image[None]" if images.ndim == 3 else ""
        raise _refusal(path, f"a {type(value).__name__} of shape {images.shape}{hint}")
    images = images[:max_outputs]
    if images.dtype == np.uint8:
        return images
    if images.dtype.kind != "f" and images.dtype.name != "bfloat16":
        raise _refusal(path, f"a {type(value).__name__} of dtype {images.dtype.name}")
    images = np.nan_to_num(images.astype(np.float32), nan=0.0, posinf=np.inf, neginf=-np.inf)
    if images.size and (images.min() < -RANGE_SLACK or images.max() > 1 + RANGE_SLACK):
        raise _refusal(path, f"floats from {images.min():g} to {images.max():g}")
    return (np.clip(images, 0, 1) * FULL_SCALE).astype(np.uint8)


def write_images(tag: str, images: np.ndarray, *, step: Any) -> None:
    """Write uint8 images `[n, height, width, channels]` with the default writer: the pixels of `tf.summary.image`."""
    _, height, width, _ = images.shape
    encoded = tensorflow().io.encode_png(images, compression=COMPRESSION).numpy() if len(images) else ()
    _write_encoded(tag, width, height, [bytes(image) for image in encoded], step)


def figure_of(path: str, value: Any) -> bytes:
    """A figure drawn as PNG.

    Args:
        path: Where the leaf stands, for messages.
        value: A `matplotlib.figure.Figure`, or anything with its `savefig`; it stays open.

    Raises:
        UnwritableSummaryError: If it is no figure, or cannot be drawn.
    """
    if not callable(getattr(value, "savefig", None)):
        raise UnwritableSummaryError(
            f"The summary {path!r} must be a figure, with a method savefig. Received a {type(value).__name__}."
        )
    file = io.BytesIO()
    try:
        value.savefig(file, format="png", dpi=FIGURE_DPI)
        PNG_SIZE.unpack_from(file.getvalue())
    except Exception as error:
        raise UnwritableSummaryError(
            f"The figure {path!r} could not be drawn as PNG: {type(error).__name__}: {error}"
        ) from error
    return file.getvalue()


def write_figure(tag: str, figure: bytes, *, step: Any) -> None:
    """Write a PNG as an image summary with the default writer."""
    width, height = PNG_SIZE.unpack_from(figure)
    _write_encoded(tag, width, height, [figure], step)


def _write_encoded(tag: str, width: int, height: int, encoded: Sequence[bytes], step: Any) -> None:
    tf = tensorflow()
    summary = tf.compat.v1.Summary()
    value = summary.value.add(tag=tag)
    value.metadata.plugin_data.plugin_name = IMAGE_PLUGIN
    value.tensor.dtype = tf.string.as_datatype_enum
    value.tensor.tensor_shape.dim.add(size=2 + len(encoded))
    value.tensor.string_val.extend([str(width).encode(), str(height).encode(), *encoded])
    tf.summary.experimental.write_raw_pb(tf.constant(summary.SerializeToString()), step=step)


def _refusal(path: str, received: str) -> UnwritableSummaryError:
    return UnwritableSummaryError(
        f"The images {path!r} must be [n, height, width, channels] with 1 to 4 channels, uint8 or floats in [0, 1]. "
        f"Received {received}."
    )
