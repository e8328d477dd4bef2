"""Segments of panoptic label maps: told apart, overlapped and matched, with static shapes and without a sort.

Pixels are counted three times: which segments an image has, in the labels and in the predictions, and how many pixels
each pair of them shares. The sizes of these counts follow from the options, not from the data.
"""

from typing import Any, NamedTuple

import tensorflow as tf


class Segments(NamedTuple):
    """The segments of a batch of label maps.

    Attributes:
        ranks: int32 `[batch, pixels]`: the number of the segment within its image; `most` where there is none.
        classes: int32 `[batch, most]`: the class of each segment by its number.
        present: int32 `[batch, num_classes]`: how many segments of each class there are.
    """

    ranks: Any
    classes: Any
    present: Any


class Matches(NamedTuple):
    """Which segments of the labels were found.

    Attributes:
        iou: float32 `[batch, most]`: intersection over union with the matched prediction; 0 without one.
        found: bool `[batch, most]`: whether there is a match.
        void: int32 `[batch, num_classes]`: predictions without a match that lie mostly where nothing counts.
    """

    iou: Any
    found: Any
    void: Any


def segments_of(codes: Any, *, num_classes: int, instances: int, most: int) -> Segments:
    """Number the segments of each image.

    Args:
        codes: int32 `[batch, pixels]`: `class * instances + instance`; `num_classes * instances` for no segment.
        num_classes: Number of classes.
        instances: Number of instance ids.
        most: How many segments of an image get a number; further ones are only counted.
    """
    places = num_classes * instances
    present = tf.raw_ops.DenseBincount(input=codes, size=places, weights=tf.constant([], tf.int32), binary_output=True)
    numbers = tf.minimum(tf.cumsum(present, axis=1, exclusive=True), most)
    ranks = tf.gather(tf.pad(numbers, [[0, 0], [0, 1]], constant_values=most), codes, axis=1, batch_dims=1)
    batch = tf.shape(codes)[0]
    kept = tf.logical_and(present > 0, numbers < most)
    rows = tf.range(batch)[:, tf.newaxis] * most
    classes = tf.math.unsorted_segment_sum(
        tf.broadcast_to(tf.range(places) // instances, tf.shape(numbers)),
        tf.where(kept, rows + numbers, -1),
        batch * most,
    )
    by_class = tf.reduce_sum(tf.reshape(present, [-1, num_classes, instances]), axis=2)
    return Segments(ranks, tf.reshape(classes, [-1, most]), by_class)


def match(labels: Segments, predictions: Segments, counted: Any, *, most: int) -> Matches:
    """Match segments of one class whose intersection is more than half of their union.

    Args:
        labels: The segments of the labels.
        predictions: The segments of the predictions.
        counted: bool `[batch, pixels]`; pixels that do not count are taken out of predictions before these are matched.
        most: How many segments of an image have a number.
    """
    rows = tf.where(counted, labels.ranks, most + 1)
    pairs = tf.raw_ops.DenseBincount(
        input=rows * (most + 1) + predictions.ranks,
        size=(most + 2) * (most + 1),
        weights=tf.constant([], tf.int32),
        binary_output=False,
    )
    pairs = tf.reshape(pairs, [-1, most + 2, most + 1])
    both = pairs[:, :most, :most]
    labelled = tf.reduce_sum(pairs[:, :most], axis=2)
    predicted, outside = tf.reduce_sum(pairs[:, :, :most], axis=1), pairs[:, most + 1, :most]
    either = labelled[:, :, tf.newaxis] + (predicted - outside)[:, tf.newaxis] - both
    # In whole numbers: an IoU of exactly a half is no match on any device. At most one segment can have more.
    matched = tf.logical_and(
        2 * both > either, tf.equal(labels.classes[:, :, tf.newaxis], predictions.classes[:, tf.newaxis])
    )
    iou = tf.cast(both, tf.float32) / tf.cast(tf.maximum(either, 1), tf.float32)
    lost = tf.logical_and(2 * outside > predicted, tf.logical_not(tf.reduce_any(matched, axis=1)))
    num_classes = labels.present.shape[1]
    batch = tf.shape(rows)[0]
    void = tf.math.unsorted_segment_sum(
        tf.cast(lost, tf.int32), tf.range(batch)[:, tf.newaxis] * num_classes + predictions.classes, batch * num_classes
    )
    return Matches(
        tf.reduce_sum(tf.where(matched, iou, tf.zeros_like(iou)), axis=2),
        tf.reduce_any(matched, axis=2),
        tf.reshape(void, [-1, num_classes]),
    )
