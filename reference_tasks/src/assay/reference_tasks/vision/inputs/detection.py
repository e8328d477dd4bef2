"""Images with boxes: the decoded record, and how it is read from TFRecords."""

from collections.abc import Mapping

import tensorflow as tf
from assay.reference_tasks.vision.inputs.examples import ENCODED_KEY, EncodedFeature
from assay.reference_tasks.vision.inputs.messages import require, sentence
from assay.reference_tasks.vision.inputs.pixel_codecs import ImageCodec
from assay.reference_tasks.vision.inputs.reader import IMAGE, SOURCE, Record
from assay.reference_tasks.vision.inputs.sizes import HEIGHT_KEY, UNKNOWN, WIDTH_KEY, check_size
from assay.reference_tasks.vision.inputs.source_ids import SOURCE_ID, source_id_or_hash

HEIGHT, WIDTH = "height", "width"
"""Keys of the size of the image, int64 scalars."""
BOXES = "groundtruth_boxes"
"""Key of boxes: float32 `[N, 4]`, ymin, xmin, ymax, xmax, as shares of the sides, from 0 to 1."""
CLASSES = "groundtruth_classes"
"""Key of class ids: int64 `[N]`; 0 is the background."""
IS_CROWD = "groundtruth_is_crowd"
"""Key of flags, bool `[N]`: the box holds many objects that are not told apart."""
AREA = "groundtruth_area"
"""Key of areas: float32 `[N]`, in square pixels of the original image."""
MASKS_PNG = "groundtruth_instance_masks_png"
"""Key of masks: strings `[N]`, each a PNG file of one channel, as large as the image; what is not 0 is the object."""

ATTRIBUTES = "groundtruth_attributes"
"""Key of attributes: by name float32 `[N, size]`."""

SOURCE_ID_KEY = "image/source_id"
BOX_KEYS = tuple(f"image/object/bbox/{side}" for side in ("ymin", "xmin", "ymax", "xmax"))
CLASS_KEY = "image/object/class/label"
AREA_KEY = "image/object/area"
IS_CROWD_KEY = "image/object/is_crowd"
MASK_KEY = "image/object/mask"
ATTRIBUTE_KEY = "image/object/attribute/"
"""Begins the feature keys of attributes, which end with their names."""

_TOLERANCE = 1.0  # pixels by which a box may leave the image, as rounded coordinates do; it is cut off there


class DetectionDecoder:
    """Reads the image and the objects of a `tf.train.Example` with Model Garden's keys.

    The decoded record: `source` (what names it in errors), `source_id` (string), `image` (uint8
    `[height, width, 3]`), `height`, `width` (int64), `groundtruth_boxes`, `groundtruth_classes`,
    `groundtruth_is_crowd`, `groundtruth_area` and, if asked for, `groundtruth_instance_masks_png` and
    `groundtruth_attributes`. An area that is not
    stated is that of the box; no object is a crowd unless it is stated.

    Args:
        num_classes: Class ids must be below it, and at least 1; None lets all above 0 pass.
        include_mask: Whether masks are read.
        attributes: Numbers that each object has of an attribute, by its name; they are integers in the file.
    """

    def __init__(
        self,
        *,
        num_classes: int | None = None,
        include_mask: bool = False,
        attributes: Mapping[str, int] | None = None,
    ) -> None:
        self._num_classes = num_classes
        self._attributes = dict(attributes or {})
        self._include_mask = include_mask
        self.images = {IMAGE: EncodedFeature(ENCODED_KEY, ImageCodec(3))}
        self.features = {
            ENCODED_KEY: tf.io.FixedLenFeature([], tf.string),
            SOURCE_ID_KEY: tf.io.FixedLenFeature([], tf.string, ""),
            HEIGHT_KEY: tf.io.FixedLenFeature([], tf.int64, UNKNOWN),
            WIDTH_KEY: tf.io.FixedLenFeature([], tf.int64, UNKNOWN),
            **{key: _a_list(tf.float32) for key in (*BOX_KEYS, AREA_KEY)},
            **{key: _a_list(tf.int64) for key in (CLASS_KEY, IS_CROWD_KEY)},
            **({MASK_KEY: _a_list(tf.string)} if include_mask else {}),
            **{ATTRIBUTE_KEY + name: _a_list(tf.int64) for name in self._attributes},
        }

    def finish(self, record: Record) -> Record:
        """Return the decoded record; see `ExampleDecoder.finish`."""
        source, image = record[SOURCE], record[IMAGE]
        size = tf.shape(image, tf.int64)
        with tf.control_dependencies(self._checks(record)):
            boxes = tf.stack([record[key] for key in BOX_KEYS], axis=-1)
            decoded = {
                SOURCE: source,
                SOURCE_ID: source_id_or_hash(record[SOURCE_ID_KEY], record[ENCODED_KEY]),
                IMAGE: image,
                HEIGHT: size[0],
                WIDTH: size[1],
                BOXES: tf.clip_by_value(boxes, 0.0, 1.0),
                CLASSES: tf.identity(record[CLASS_KEY]),
                IS_CROWD: tf.cast(_or_else(record[IS_CROWD_KEY], tf.zeros_like(record[CLASS_KEY])), tf.bool),
                AREA: _or_else(record[AREA_KEY], _box_areas(boxes, size)),
            }
            if self._include_mask:
                decoded[MASKS_PNG] = tf.identity(record[MASK_KEY])
            if self._attributes:
                decoded[ATTRIBUTES] = {
                    name: tf.cast(tf.reshape(record[ATTRIBUTE_KEY + name], [-1, size]), tf.float32)
                    for name, size in self._attributes.items()
                }
        return decoded

    def _checks(self, record: Record) -> list[tf.Operation]:
        source, classes = record[SOURCE], record[CLASS_KEY]
        count = tf.size(record[BOX_KEYS[0]])
        optional = (AREA_KEY, IS_CROWD_KEY)
        listed = (*BOX_KEYS[1:], CLASS_KEY, *optional, *((MASK_KEY,) if self._include_mask else ()))
        of_one_length = [
            _require_length(source, key, record[key], count, may_be_absent=key in optional) for key in listed
        ]
        for name, size in self._attributes.items():
            key = ATTRIBUTE_KEY + name
            of_one_length.append(_require_length(source, key, record[key], count, per_object=size))
        highest = tf.int64.max if self._num_classes is None else self._num_classes - 1
        wrong = tf.boolean_mask(classes, tf.logical_or(classes < 1, classes > highest))
        bound = "" if self._num_classes is None else f" and below the number of classes, {self._num_classes}"
        in_range = require(
            tf.equal(tf.size(wrong), 0),
            sentence(
                *(source, f": {CLASS_KEY} must be at least 1{bound}; received ", _first(wrong)),
                ". 0 is the background; labels that begin at 0 must be raised by 1.",
            ),
        )
        size = check_size(source, record[IMAGE], height=record[HEIGHT_KEY], width=record[WIDTH_KEY])
        with tf.control_dependencies(of_one_length):
            boxes = [_check_side(record, low, high, axis) for axis, (low, high) in enumerate(_SIDES)]
        return [size, *of_one_length, in_range, *boxes]


_SIDES = ((BOX_KEYS[0], BOX_KEYS[2]), (BOX_KEYS[1], BOX_KEYS[3]))


def _a_list(dtype: tf.DType) -> tf.io.FixedLenSequenceFeature:
    return tf.io.FixedLenSequenceFeature([], dtype, allow_missing=True)


def _or_else(stated: tf.Tensor, default: tf.Tensor) -> tf.Tensor:
    """Return what is stated for each object, or the default where nothing is."""
    return tf.cond(tf.equal(tf.size(stated), 0), lambda: default, lambda: stated)


def _box_areas(boxes: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
    height, width = tf.unstack(tf.cast(size[:2], tf.float32))
    return (boxes[:, 2] - boxes[:, 0]) * height * (boxes[:, 3] - boxes[:, 1]) * width


def _require_length(
    source: tf.Tensor,
    key: str,
    values: tf.Tensor,
    count: tf.Tensor,
    *,
    may_be_absent: bool = False,
    per_object: int = 1,
) -> tf.Operation:
    fits = tf.equal(tf.size(values), per_object * count)
    if may_be_absent:
        fits = tf.logical_or(fits, tf.equal(tf.size(values), 0))
    return require(
        fits,
        sentence(
            *(source, f": {key} has ", tf.size(values), f" values, but {BOX_KEYS[0]} has ", count),
            f"; each object needs {'one' if per_object == 1 else per_object} of each.",
        ),
    )


def _check_side(record: Record, low_key: str, high_key: str, axis: int) -> tf.Operation:
    """Return an operation that fails where boxes are not ordered, or not inside of the image."""
    low, high = record[low_key], record[high_key]
    slack = _TOLERANCE / tf.cast(tf.maximum(tf.shape(record[IMAGE])[axis], 1), tf.float32)
    good = tf.reduce_all([-slack <= low, low <= high, high <= 1 + slack], axis=0)  # false where one is not a number
    wrong = tf.where(tf.logical_not(good))[:, 0]
    number = _first(wrong)
    return require(
        tf.equal(tf.size(wrong), 0),
        sentence(
            *(record[SOURCE], f": {low_key} and {high_key} of object ", number),
            *(" must rise and be shares of the side, from 0 to 1; received ", _element(low, number)),
            *(" and ", _element(high, number), ". Coordinates in pixels must be divided by the image's side."),
        ),
    )


def _first(values: tf.Tensor) -> tf.Tensor:
    """Return the first value, or 0 of none."""
    return tf.concat([values, [0]], 0)[0]


def _element(values: tf.Tensor, number: tf.Tensor) -> tf.Tensor:
    return tf.strings.as_string(tf.concat([values, [0.0]], 0)[number], shortest=True)
