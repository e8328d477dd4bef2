"""Makes `tf.train.Example` records of annotated images; what is broken is named."""

import dataclasses
import hashlib
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import tensorflow as tf
from assay.reference_tasks.vision.inputs.annotated_images import AnnotatedImages
from assay.reference_tasks.vision.inputs.detection import (
    AREA_KEY,
    BOX_KEYS,
    CLASS_KEY,
    IS_CROWD_KEY,
)
from assay.reference_tasks.vision.inputs.detection import MASK_KEY as INSTANCE_MASK_KEY
from assay.reference_tasks.vision.inputs.examples import ENCODED_KEY
from assay.reference_tasks.vision.inputs.image_pairs import ImagePair
from assay.reference_tasks.vision.inputs.label_maps import decode_label_map, explain_label_map
from assay.reference_tasks.vision.inputs.pixel_codecs import ImageCodec
from assay.reference_tasks.vision.inputs.segmentation import MASK_KEY, SOURCE_ID_KEY
from assay.reference_tasks.vision.inputs.sizes import HEIGHT_KEY, WIDTH_KEY

CLASS_TEXT_KEY = "image/object/class/text"
MASK_FORMAT_KEY = "image/segmentation/class/format"

_FORMATS = {b"\xff\xd8": b"jpeg", b"\x89PNG": b"png", b"GIF8": b"gif", b"BM": b"bmp"}
"""The names of image formats, by how files begin."""

Value = int | bytes | Sequence[int] | Sequence[float] | Sequence[bytes]


class BrokenRecordError(ValueError):
    """An image or its annotation cannot be converted.

    The message names the file and the key. Either mend the file, or take the image out of the list of images.
    """


@dataclasses.dataclass(frozen=True)
class Source:
    """What is to be converted: so many records, each made when asked for.

    Attributes:
        count: Number of records.
        make: Makes the record of a number: a serialized `tf.train.Example`. Can be called from several threads.
    """

    count: int
    make: Callable[[int], bytes]


def detection_source(images: AnnotatedImages) -> Source:
    """Return the records of a list of images with boxes, with masks if it has them."""
    first = images.first

    def make(number: int) -> bytes:
        path = images.paths[number]
        encoded, (height, width) = _read_image(path)
        stated = images.sizes[number].tolist()
        if stated != [height, width]:
            raise BrokenRecordError(
                f"{path}: {HEIGHT_KEY} and {WIDTH_KEY} are {stated[0]} x {stated[1]} by its annotation, but the image "
                f"has {height} x {width}; boxes are stated for one of the two."
            )
        objects = slice(first[number], first[number + 1])
        boxes = images.boxes[objects] / [height, width, height, width]
        labels = images.classes[objects].tolist()
        features: dict[str, Value] = {
            **_image_features(path, images.source_ids[number], encoded, (height, width)),
            **{key: boxes[:, side].tolist() for side, key in enumerate(BOX_KEYS)},
            CLASS_KEY: labels,
            CLASS_TEXT_KEY: [images.class_names.get(label, str(label)).encode() for label in labels],
            IS_CROWD_KEY: images.is_crowd[objects].astype(int).tolist(),
            AREA_KEY: images.areas[objects].tolist(),
        }
        if images.masks is not None:
            features[INSTANCE_MASK_KEY] = list(_masks(images, range(objects.start, objects.stop), height, width))
        return make_example(features)

    return Source(len(images.paths), make)


def segmentation_source(pairs: Sequence[ImagePair], *, allowed_ids: Sequence[int] | None = None) -> Source:
    """Return the records of images with label maps.

    Args:
        pairs: The images.
        allowed_ids: The ids that label maps may have; None for any.
    """

    def make(number: int) -> bytes:
        pair = pairs[number]
        encoded, size = _read_image(pair.image)
        ids = _read_label_map(pair.label_map)
        if ids.shape[:2] != size:
            raise BrokenRecordError(
                f"{pair.label_map}: {MASK_KEY} has the size {ids.shape[0]} x {ids.shape[1]} (height x width), but the "
                f"image {pair.image} has {size[0]} x {size[1]}."
            )
        unknown = [] if allowed_ids is None else np.setdiff1d(ids, allowed_ids).tolist()
        if unknown:
            raise BrokenRecordError(
                f"{pair.label_map}: {MASK_KEY} has the class id {unknown[0]}, not in the label file."
            )
        dtype = np.uint8 if ids.max(initial=0) <= 255 else np.uint16
        features = _image_features(pair.image, pair.source_id, encoded, size)
        label_map = tf.io.encode_png(ids.astype(dtype)).numpy()
        return make_example({**features, MASK_KEY: label_map, MASK_FORMAT_KEY: b"png"})

    return Source(len(pairs), make)


def make_example(features: dict[str, Value]) -> bytes:
    """Return a serialized `tf.train.Example`, the same bytes each time."""
    example = tf.train.Example()
    for key, value in features.items():
        values = [value] if isinstance(value, int | bytes) else value
        feature = example.features.feature[key]
        lists = {int: feature.int64_list, float: feature.float_list, bytes: feature.bytes_list}
        for one in values:
            lists[type(one)].value.append(one)
    return example.SerializeToString(deterministic=True)


def _read_image(path: str) -> tuple[bytes, tuple[int, int]]:
    """Return an image file that can be decoded, with the height and width of the image."""
    encoded = _read(path, ENCODED_KEY)
    try:
        image = tf.io.decode_image(encoded, channels=3, expand_animations=False)
    except tf.errors.InvalidArgumentError as error:
        explained = ImageCodec(3).explain(tf.constant(encoded), tf.constant(f"{path}: {ENCODED_KEY}"))
        raise BrokenRecordError(explained.numpy().decode()) from error
    return encoded, (image.shape[0], image.shape[1])


def _image_features(path: str, source_id: str, encoded: bytes, size: tuple[int, int]) -> dict[str, Value]:
    return {
        ENCODED_KEY: encoded,
        "image/format": next((name for begin, name in _FORMATS.items() if encoded.startswith(begin)), b""),
        HEIGHT_KEY: size[0],
        WIDTH_KEY: size[1],
        "image/filename": path.rpartition("/")[2].encode(),
        SOURCE_ID_KEY: source_id.encode(),
        "image/key/sha256": hashlib.sha256(encoded).hexdigest().encode(),
    }


def _read_label_map(path: str) -> np.ndarray:
    encoded = _read(path, MASK_KEY)
    try:
        return decode_label_map(tf.constant(encoded)).numpy()
    except tf.errors.InvalidArgumentError as error:
        explained = explain_label_map(tf.constant(encoded), tf.constant(f"{path}: {MASK_KEY}"))
        raise BrokenRecordError(explained.numpy().decode()) from error


def _read(path: str, key: str) -> bytes:
    try:
        with tf.io.gfile.GFile(path, "rb") as file:
            return file.read()
    except (tf.errors.NotFoundError, tf.errors.FailedPreconditionError) as error:
        raise BrokenRecordError(f"{path}: {key} cannot be read: {error.message}.") from error


def _masks(images: AnnotatedImages, objects: Sequence[int], height: int, width: int) -> Iterator[bytes]:
    """Yield the mask of each object as a PNG file, 1 for the object."""
    assert images.masks is not None
    runs = images.masks.take(np.array(objects, np.int64))
    for first, count in zip(runs.first, runs.counts, strict=True):
        pixels = np.zeros(height * width, np.uint8)
        for start, length in zip(runs.start[first : first + count], runs.length[first : first + count], strict=True):
            pixels[start : start + length] = 1
        yield tf.io.encode_png(pixels.reshape([width, height]).T[..., np.newaxis]).numpy()
