"""Decides which object each anchor stands for, by overlap."""

import dataclasses

import tensorflow as tf

BACKGROUND, IGNORED = -1, -2

_FORCED = 2.0  # added to an overlap, which is at most 1, of what is matched whatever the overlap


@dataclasses.dataclass(frozen=True)
class Matcher:
    """Matches each anchor to the object that it overlaps most, if that is enough.

    An anchor whose largest overlap is at least `match_threshold` is positive; below `unmatched_threshold` it is
    background; in between it is ignored. Besides, every object has its best anchor, the first of equal ones: that is
    positive for it whatever the overlap, as long as there is any, also where the anchor overlaps another object more.
    Of two objects with the same best anchor, the one that it overlaps more has it.

    Attributes:
        match_threshold: Least intersection over union of a positive anchor.
        unmatched_threshold: Intersection over union below which an anchor is background; at most `match_threshold`.
        force_match: Whether objects have their best anchors.

    References:
        Lin, Goyal, Girshick, He, Dollar, "Focal Loss for Dense Object Detection", 2017, section 4.
        Ren et al., "Faster R-CNN", 2015, section 3.1.2 (best anchors).
    """

    match_threshold: float = 0.5
    unmatched_threshold: float = 0.5
    force_match: bool = True

    def __post_init__(self) -> None:
        if not 0 <= self.unmatched_threshold <= self.match_threshold <= 1:
            raise ValueError(
                "Thresholds must have 0 <= unmatched_threshold <= match_threshold <= 1. Received: "
                f"{self.unmatched_threshold} and {self.match_threshold}."
            )

    def match(self, overlaps: tf.Tensor) -> tf.Tensor:
        """Match the anchors of an image.

        Args:
            overlaps: float32 `[objects, anchors]`, intersections over unions; there may be no object.

        Returns:
            int32 `[anchors]`: the row of the object, or `BACKGROUND`, or `IGNORED`.
        """
        # A row without any overlap stands in for no object.
        overlaps = tf.concat([overlaps, tf.zeros([1, tf.shape(overlaps)[1]], overlaps.dtype)], axis=0)
        if self.force_match:
            overlaps = _with_best_anchors_forced(overlaps)
        largest = tf.reduce_max(overlaps, axis=0)
        matches = tf.argmax(overlaps, axis=0, output_type=tf.int32)
        unmatched = tf.where(largest < self.unmatched_threshold, BACKGROUND, IGNORED)
        # Whatever the threshold, nothing is not an object.
        positive = tf.logical_and(largest >= self.match_threshold, largest > 0)
        return tf.where(positive, matches, tf.where(largest > 0, unmatched, BACKGROUND))


def _with_best_anchors_forced(overlaps: tf.Tensor) -> tf.Tensor:
    best = tf.argmax(overlaps, axis=1, output_type=tf.int32)
    places = tf.stack([tf.range(tf.shape(overlaps)[0]), best], axis=1)
    largest = tf.gather_nd(overlaps, places)
    return tf.tensor_scatter_nd_add(overlaps, places, tf.where(largest > 0, _FORCED, 0.0))
