"""COCO's greedy matching of the detections of a batch, under all area ranges and IoU thresholds at once.

In an image, detections take objects of their class in the order of their scores. Each takes, of the objects that are
free and overlap it by the threshold, one that counts if there is one, else an ignored one (a crowd, or an object out of
the area range), and of those the one with the highest overlap, the last one where overlaps are equal. A crowd stays
free.

The combinations of area range and threshold are an axis of the arrays while detections choose, one after the other,
and the bits of whole numbers in what comes out. Detections that reach no object are not gone through.

References:
    Lin et al., "Microsoft COCO: Common Objects in Context", 2014; the published evaluation code, `cocoeval.py`.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import tensorflow as tf

# Bits in a number that says in which combinations something holds.
WORD_BITS = 40
# The highest threshold, which COCO lowers so that a perfect overlap reaches it whatever its rounding is.
HIGHEST_THRESHOLD = 1 - 1e-10


class Matches(NamedTuple):
    """What became of each detection, in the order that they came.

    Attributes:
        kept: bool `[batch, D]`: it is among the best of its class in its image, up to the limit.
        ranks: int32 `[batch, D]`: its place among those of its class in its image, from 0.
        hits: int64 `[batch, D, words]`: the combinations in which it found an object that counts.
        ignored: int64 `[batch, D, words]`: those in which it counts neither as right nor as wrong.
    """

    kept: Any
    ranks: Any
    hits: Any
    ignored: Any


def words(combinations: int) -> int:
    """How many numbers hold a bit for each combination."""
    return -(-combinations // WORD_BITS)


def match(
    detections: Any,
    objects: Any,
    overlaps: Any,
    *,
    outside: Any,
    object_outside: Any,
    iou_thresholds: Sequence[float],
    most: int,
) -> Matches:
    """Match detections with objects.

    Args:
        detections: `Detections` of `[batch, D]`.
        objects: `Objects` of `[batch, G]`.
        overlaps: float32 `[batch, D, G]`.
        outside: bool `[batch, D, A]`: the area ranges that a detection is not in.
        object_outside: bool `[batch, G, A]`: those that an object is not in.
        iou_thresholds: T thresholds.
        most: How many detections of a class and image count.
    """
    better = _better(detections.scores)
    known = detections.classes >= 0
    same = tf.logical_and(_equal_pairs(detections.classes, detections.classes), known[:, tf.newaxis])
    ranks = _count(tf.logical_and(better, same))
    kept = tf.logical_and(known, ranks < most)
    pairs = tf.logical_and(_equal_pairs(detections.classes, objects.classes), kept[:, :, tf.newaxis])
    reachable = tf.logical_and(pairs, tf.reduce_any(_reached(overlaps[..., tf.newaxis], iou_thresholds), axis=-1))
    choosing = tf.reduce_any(reachable, axis=-1)
    # Those that choose come first, in the order of their scores.
    depth = overlaps.shape[1]
    turn = _count(tf.logical_and(better, choosing[:, tf.newaxis]))
    order = tf.argsort(tf.where(choosing, turn, tf.range(depth) + depth), axis=1)
    turn = tf.where(choosing, turn, -1)
    hits, ignored = _choose(
        tf.gather(tf.where(reachable, overlaps, -1.0), order, axis=1, batch_dims=1),
        tf.logical_or(objects.optional[..., tf.newaxis], object_outside),
        objects.optional,
        rounds=tf.reduce_max(tf.concat([tf.reshape(turn, [-1]), [-1]], axis=0)) + 1,
        iou_thresholds=iou_thresholds,
    )
    hits, ignored = (_at_turns(bits, turn) for bits in (hits, ignored))
    outside_bits = _packed(tf.repeat(outside, len(iou_thresholds), axis=-1))
    neither = tf.bitwise.invert(tf.bitwise.bitwise_or(hits, ignored))
    return Matches(kept, ranks, hits, tf.bitwise.bitwise_or(ignored, tf.bitwise.bitwise_and(outside_bits, neither)))


def _choose(
    overlaps: Any, ignored: Any, stays_free: Any, *, rounds: Any, iou_thresholds: Sequence[float]
) -> tuple[Any, Any]:
    """Let detections choose one after the other.

    Args:
        overlaps: float32 `[batch, D, G]` in the order of choosing; -1 for objects that cannot be chosen.
        ignored: bool `[batch, G, A]`: the object does not count.
        stays_free: bool `[batch, G]`: any number of detections may choose it.
        rounds: How many detections choose, int32 scalar.
        iou_thresholds: T thresholds.

    Returns:
        Bits int64 `[batch, D, words]` of hits and of ignored ones.
    """
    depth, size, ranges = overlaps.shape[1], overlaps.shape[2], ignored.shape[2]
    thresholds = len(iou_thresholds)
    # A number for each object that is higher the better the choice: no two are the same.
    by_overlap = tf.argsort(tf.argsort(overlaps, axis=-1, stable=True), axis=-1)
    counting = tf.where(ignored, 0, size)
    taken_up = tf.logical_not(stays_free)[..., tf.newaxis, tf.newaxis]
    slots = tf.range(depth)
    batch = tf.shape(overlaps)[0]
    none = tf.zeros([batch, depth, words(ranges * thresholds)], tf.int64)

    def body(turn: Any, free: Any, hits: Any, ignores: Any) -> tuple[Any, ...]:
        reached = _reached(overlaps[:, turn, :, tf.newaxis], iou_thresholds)
        choices = tf.logical_and(reached[:, :, tf.newaxis], free)
        value = (by_overlap[:, turn, :, tf.newaxis] + counting)[..., tf.newaxis]
        value = tf.where(choices, value, -1)
        best = tf.reduce_max(value, axis=1, keepdims=True)
        chosen = tf.logical_and(choices, tf.equal(value, best))
        free = tf.logical_and(free, tf.logical_not(tf.logical_and(chosen, taken_up)))
        best = tf.reshape(best, [batch, 1, ranges * thresholds])
        now = tf.equal(slots, turn)[:, tf.newaxis]
        hits = tf.where(now, _packed(best >= size), hits)
        ignores = tf.where(now, _packed(tf.logical_and(best >= 0, best < size)), ignores)
        return turn + 1, free, hits, ignores

    free = tf.ones([batch, size, ranges, thresholds], tf.bool)
    _, _, hits, ignores = tf.while_loop(
        lambda turn, *_: turn < rounds,
        body,
        (tf.constant(0), free, none, none),
        shape_invariants=(
            tf.TensorShape([]),
            tf.TensorShape([None, size, ranges, thresholds]),
            *[tf.TensorShape([None, *none.shape[1:]])] * 2,
        ),
    )
    return hits, ignores


def _reached(overlaps: Any, thresholds: Sequence[float]) -> Any:
    """Whether overlaps `[..., 1]` reach thresholds, bool `[..., T]`.

    An overlap that is a decimal fraction, such as 3 / 5, is exactly at a threshold of 0.6, but below one that a float64
    sum such as 0.5 + 2 * 0.05 has made a little more, as in COCO's own list. A float32 cannot tell the two apart.
    """
    lowest = [min(float(one), HIGHEST_THRESHOLD) for one in thresholds]
    above = [float(f"{one:.6g}") < one for one in lowest]
    bounds = tf.constant([float(f"{one:.6g}") if one < 0.9999 else 1 - 2.0**-24 for one in lowest], tf.float32)
    return tf.logical_or(overlaps > bounds, tf.logical_and(tf.equal(overlaps, bounds), tf.logical_not(above)))


def _better(scores: Any) -> Any:
    """Whether detection j comes before detection i, bool `[batch, i, j]`: a higher score, or as high and earlier."""
    mine, theirs = scores[:, :, tf.newaxis], scores[:, tf.newaxis]
    slots = tf.range(scores.shape[1])
    earlier = slots < slots[:, tf.newaxis]
    return tf.logical_or(theirs > mine, tf.logical_and(tf.equal(theirs, mine), earlier))


def _equal_pairs(mine: Any, theirs: Any) -> Any:
    return tf.equal(mine[:, :, tf.newaxis], theirs[:, tf.newaxis])


def _count(flags: Any) -> Any:
    return tf.reduce_sum(tf.cast(flags, tf.int32), axis=-1)


def _packed(flags: Any) -> Any:
    """Flags `[..., combinations]` as the bits of numbers, int64 `[..., words]`."""
    combinations = flags.shape[-1]
    powers = tf.constant([2 ** (number % WORD_BITS) for number in range(combinations)], tf.int64)
    parts = [
        tf.reduce_sum(tf.where(flags[..., start : start + WORD_BITS], powers[start : start + WORD_BITS], 0), axis=-1)
        for start in range(0, combinations, WORD_BITS)
    ]
    return tf.stack(parts, axis=-1)


def _at_turns(bits: Any, turn: Any) -> Any:
    """Bits `[batch, D, words]` by turn as those of each detection; 0 for one without a turn, -1."""
    taken = tf.gather(bits, tf.maximum(turn, 0), axis=1, batch_dims=1)
    return tf.where(turn[..., tf.newaxis] >= 0, taken, tf.zeros_like(taken))
