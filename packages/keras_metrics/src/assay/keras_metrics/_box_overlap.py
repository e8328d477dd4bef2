"""How much boxes overlap."""

from typing import Any, NamedTuple

import tensorflow as tf


class Overlaps(NamedTuple):
    """What D detections and G objects of each image have in common.

    Attributes:
        overlaps: float32 `[batch, D, G]`: intersection over union; over the area of the detection for a crowd.
        areas: float32 `[batch, D]`: areas of the detections, in pixels squared.
        object_areas: float32 `[batch, G]`: areas of the objects.
    """

    overlaps: Any
    areas: Any
    object_areas: Any


def box_areas(boxes: Any) -> Any:
    """Areas `[batch, slots]` of boxes `[batch, slots, 4]`, in the square of their unit."""
    sides = boxes[..., 2:] - boxes[..., :2]
    return sides[..., 0] * sides[..., 1]


def box_overlaps(found: Any, objects: Any, crowd: Any) -> Any:
    """Intersection over union of all pairs; over the area of the detection where the object is a crowd.

    Args:
        found: float32 `[batch, D, 4]`: ymin, xmin, ymax, xmax.
        objects: float32 `[batch, G, 4]`.
        crowd: bool `[batch, G]`.

    Returns:
        float32 `[batch, D, G]`; 0 where boxes do not overlap, or a coordinate is NaN.
    """
    found, objects = found[:, :, tf.newaxis], objects[:, tf.newaxis]
    sides = tf.minimum(found[..., 2:], objects[..., 2:]) - tf.maximum(found[..., :2], objects[..., :2])
    apart = tf.logical_not(tf.reduce_all(sides > 0, axis=-1))
    intersection = tf.where(apart, 0.0, sides[..., 0] * sides[..., 1])
    return over_union(intersection, box_areas(found), box_areas(objects), crowd)


def over_union(intersection: Any, found: Any, objects: Any, crowd: Any) -> Any:
    """Intersections `[batch, D, G]` over unions, of areas `[batch, D, 1]` and `[batch, 1, G]`."""
    union = tf.where(crowd[:, tf.newaxis], found + tf.zeros_like(intersection), found + objects - intersection)
    return tf.where(intersection > 0, tf.math.divide_no_nan(intersection, union), 0.0)
