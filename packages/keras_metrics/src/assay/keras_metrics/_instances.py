"""Detections and objects, read from the dicts that models and input pipelines give."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import tensorflow as tf
from assay.keras_metrics._labels import LOW_PRECISION, NO_CLASS

BOXES, CLASSES, MASKS, AREAS = "boxes", "classes", "masks", "areas"
IS_CROWDS, IS_DIFFICULT = "is_crowds", "is_difficult"
DETECTION_BOXES, DETECTION_CLASSES, DETECTION_SCORES = "detection_boxes", "detection_classes", "detection_scores"
DETECTION_MASKS, DETECTION_OUTER_BOXES = "detection_masks", "detection_outer_boxes"
NUM_DETECTIONS, SOURCE_ID, IMAGE_INFO = "num_detections", "source_id", "image_info"


class Detections(NamedTuple):
    """What was found in a batch of images.

    Attributes:
        classes: int32 `[batch, D]`; `NO_CLASS` where a slot holds nothing.
        scores: float32 `[batch, D]`; NaN has become the lowest.
    """

    classes: Any
    scores: Any


class Objects(NamedTuple):
    """What was to be found.

    Attributes:
        classes: int32 `[batch, G]`; `NO_CLASS` where a slot holds nothing.
        crowd: bool `[batch, G]`: a crowd, of which detections are a part.
        optional: bool `[batch, G]`: need not be found, and any number of detections may find it; crowds are.
    """

    classes: Any
    crowd: Any
    optional: Any


class Side:
    """One of the two dicts, which says by name what is wrong with it.

    Args:
        fields: The dict.
        argument: What it is called: `y_true` or `y_pred`.
        metric: Name of the metric.
    """

    def __init__(self, fields: Any, argument: str, metric: str) -> None:
        if not isinstance(fields, Mapping):
            raise ValueError(f"`{argument}` of {metric!r} must be a dict. Received: {type(fields).__name__}.")
        self._fields, self._argument, self._metric = fields, argument, metric

    def __contains__(self, key: str) -> bool:
        return self._fields.get(key) is not None

    def slots(self, key: str, like: Any, *inner: int | None) -> Any:
        """A field `[batch, slots, *inner]`, with at least one slot.

        Args:
            key: Its name.
            like: A tensor `[batch, slots]` whose slots these must be; None for the first one.
            *inner: What follows the slots; None for any size.

        Raises:
            ValueError: If it is not there, or has another shape.
        """
        values = self.field(key, None, None, *inner)
        if values.shape[1] == 0:
            values = tf.pad(values, [[0, 0], [0, 1], *[[0, 0]] * len(inner)])
        if values.shape[1] is None:
            raise ValueError(
                f"{key!r} of `{self._argument}` of {self._metric!r} must have a static number of slots: pad it. "
                f"Received shape {values.shape}."
            )
        if like is not None and not values.shape[:2].is_compatible_with(like.shape[:2]):
            raise ValueError(
                f"{key!r} of `{self._argument}` of {self._metric!r} has shape {values.shape}, while there are "
                f"{like.shape[1]} slots in {like.shape[0]} images."
            )
        return values

    def field(self, key: str, *shape: int | None) -> Any:
        """A field of a shape, of which None is any size.

        Raises:
            ValueError: If it is not there, or has another shape.
        """
        if key not in self:
            raise ValueError(
                f"`{self._argument}` of {self._metric!r} lacks {key!r}. Received: {sorted(map(str, self._fields))}."
            )
        values = tf.convert_to_tensor(self._fields[key])
        if values.shape.rank is None or not values.shape.is_compatible_with(shape):
            expected = ", ".join("any" if size is None else str(size) for size in shape)
            raise ValueError(
                f"{key!r} of `{self._argument}` of {self._metric!r} must have shape [{expected}]. "
                f"Received: {values.shape}."
            )
        return values

    def classes(self, key: str, *, num_classes: int, background: int | None) -> Any:
        """Class ids int32 `[batch, slots]`: `NO_CLASS` for the background, ids out of range and unused slots."""
        ids = self.slots(key, None)
        if ids.dtype in LOW_PRECISION:
            raise ValueError(
                f"{key!r} of `{self._argument}` came as {ids.dtype.name}, which cannot hold every id. Pass integers."
            )
        known = tf.logical_and(ids >= 0, ids < num_classes)
        if background is not None:
            known = tf.logical_and(known, tf.not_equal(ids, tf.cast(background, ids.dtype)))
        if NUM_DETECTIONS in self:
            count = tf.cast(self.field(NUM_DETECTIONS, ids.shape[0]), tf.int32)
            known = tf.logical_and(known, tf.range(ids.shape[1]) < count[:, tf.newaxis])
        return tf.where(known, tf.cast(tf.where(known, ids, tf.zeros_like(ids)), tf.int32), NO_CLASS)

    def boxes(self, key: str, like: Any) -> Any:
        """Boxes float32 `[batch, slots, 4]`."""
        return tf.cast(self.slots(key, like, 4), tf.float32)

    def flags(self, key: str, like: Any) -> Any:
        """Flags bool `[batch, slots]`; false without the field."""
        if key not in self:
            return tf.zeros_like(like, tf.bool)
        return tf.cast(self.slots(key, like), tf.bool)


def read_detections(side: Side, *, num_classes: int, background: int | None) -> Detections:
    """Read the classes and scores of detections."""
    classes = side.classes(DETECTION_CLASSES, num_classes=num_classes, background=background)
    scores = tf.cast(side.slots(DETECTION_SCORES, classes), tf.float32)
    lowest = tf.constant(float("-inf"), tf.float32)
    return Detections(classes, tf.where(tf.math.is_nan(scores), lowest, scores))


def read_objects(side: Side, *, num_classes: int, background: int | None) -> Objects:
    """Read the classes and flags of objects."""
    classes = side.classes(CLASSES, num_classes=num_classes, background=background)
    crowd = side.flags(IS_CROWDS, classes)
    return Objects(classes, crowd, tf.logical_or(crowd, side.flags(IS_DIFFICULT, classes)))


def image_numbers(y_true: Side, y_pred: Side, like: Any, *, bits: int) -> Any:
    """Numbers in the order of the ids of the images, int64 `[batch]`, cut to so many bits; zeros without ids.

    Raises:
        ValueError: If they are no integers.
    """
    for side in (y_true, y_pred):
        if SOURCE_ID in side:
            ids = side.field(SOURCE_ID, like.shape[0])
            if not ids.dtype.is_integer:
                raise ValueError(
                    f"{SOURCE_ID!r} must hold integers, by which equal scores are ordered; leave it out if it does "
                    f"not. Received: {ids.dtype.name}."
                )
            return tf.bitwise.bitwise_and(tf.cast(ids, tf.int64) + 2 ** (bits - 1), 2**bits - 1)
    return tf.zeros_like(like[:, 0], tf.int64)


def to_original_boxes(boxes: Any, y_true: Side, y_pred: Side) -> Any:
    """Boxes in pixels of the original image, of boxes in pixels of the model's input.

        original = (input + offset) / scale

    Args:
        boxes: float32 `[batch, slots, 4]`.
        y_true: Has `image_info` `[batch, 4, 2]`, whose row 2 is the scale and row 3 the offset (y, x), if
        y_pred: has not.
    """
    side = y_pred if IMAGE_INFO in y_pred else y_true
    info = tf.tile(tf.cast(side.field(IMAGE_INFO, boxes.shape[0], 4, 2), tf.float32), [1, 1, 2])
    return (boxes + info[:, tf.newaxis, 3]) / info[:, tf.newaxis, 2]
