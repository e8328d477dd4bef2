"""Hard pixel mining: the hardest pixels of each image stand for all of them."""

from typing import Any

import tensorflow as tf


def hardest(values: Any, candidates: Any, *, share: float) -> Any:
    """Keep the hardest pixels of each image, scaled up to the weight of those that are left out.

    Of each image the `k = max(1, floor(share * pixels))` candidates of the largest value are kept, or all when there
    are no more than `k`. Kept values are multiplied by `candidates / kept`, so that a mean over all candidates is the
    mean over the kept ones. Pixels that tie for the last places share them, so that the result depends on no order.

    Args:
        values: `[batch, height, width]`, not negative.
        candidates: Boolean `[batch, height, width]`, or None when all are. Others are not kept.
        share: In (0, 1]; 1 returns the values as they are.

    Returns:
        `[batch, height, width]`; 0 for pixels that are not kept. A NaN stays NaN.

    References:
        Wu, Shen, van den Hengel, "Bridging Category-level and Instance-level Semantic Image Segmentation" (online
        bootstrapping), 2016.
    """
    if share == 1.0:
        return values
    shape = tf.shape(values)
    pixels = tf.reshape(values, [shape[0], -1]) if values.shape.rank == 3 else values
    rows = tf.stop_gradient(pixels)
    allowed = None if candidates is None else tf.reshape(tf.broadcast_to(candidates, shape), tf.shape(rows))
    if allowed is not None:
        rows = tf.where(allowed, rows, -tf.ones([], rows.dtype))
    size = tf.shape(rows)[1]
    places = tf.maximum(tf.cast(tf.cast(size, tf.float32) * share, tf.int32), tf.minimum(size, 1))
    last = tf.reduce_min(tf.math.top_k(rows, k=places, sorted=False).values, axis=-1, keepdims=True)

    one = tf.ones([], rows.dtype)
    above, tied = rows > last, tf.logical_and(tf.equal(rows, last), last >= 0.0)
    left = tf.cast(places, rows.dtype) - _count(above, rows.dtype)
    part = tf.math.divide_no_nan(left, _count(tied, rows.dtype))
    kept = tf.where(above, one, tf.where(tied, part, 0.0 * one))
    total = tf.cast(size, rows.dtype) if allowed is None else _count(allowed, rows.dtype)
    scale = tf.math.divide_no_nan(total, tf.minimum(tf.cast(places, rows.dtype), total))
    scaled = tf.where(tf.math.is_nan(rows), one, kept * scale) * pixels
    return tf.reshape(scaled, shape)


def _count(mask: Any, dtype: Any) -> Any:
    return tf.reduce_sum(tf.cast(mask, dtype), axis=-1, keepdims=True)
