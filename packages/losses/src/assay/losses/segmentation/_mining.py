"""Hard example mining: the hardest pixels of each image stand for all of them."""

from typing import Any

import tensorflow as tf


def mean_of_hardest(values: Any, candidates: Any, *, share: float) -> Any:
    """The mean over the hardest values of each example.

    Of each example the `k = max(1, floor(share * size))` candidates of the largest value count, or all when there are
    no more than `k`. Which of several equal values are taken makes no difference to the mean; in the gradient they
    share the places that are left, so that it depends on no order.

    Args:
        values: `[batch, ...]`, not negative.
        candidates: Boolean `[batch, ...]`, or None when all are. Others do not count.
        share: In (0, 1).

    Returns:
        `[batch]`; 0 for an example without candidates, NaN for one with a NaN.

    References:
        Wu, Shen, van den Hengel, "Bridging Category-level and Instance-level Semantic Image Segmentation" (online
        bootstrapping), 2016.
    """
    batch, size = tf.shape(values)[0], tf.reduce_prod(tf.shape(values)[1:])
    flat = tf.reshape(values, [batch, size])
    rows, allowed = tf.stop_gradient(flat), None
    if candidates is not None:
        allowed = tf.reshape(tf.broadcast_to(candidates, tf.shape(values)), [batch, size])
        rows = tf.where(allowed, rows, -tf.ones([], rows.dtype))
    places = tf.maximum(tf.cast(tf.cast(size, tf.float32) * share, tf.int32), tf.minimum(size, 1))
    last = tf.reduce_min(tf.math.top_k(rows, k=places, sorted=False).values, axis=-1, keepdims=True)

    above, tied = rows > last, tf.logical_and(tf.equal(rows, last), last >= 0.0)
    part = tf.math.divide_no_nan(tf.cast(places, rows.dtype) - _count(above, rows.dtype), _count(tied, rows.dtype))
    weights = tf.where(above, tf.ones([], rows.dtype), tf.where(tied, part, tf.zeros([], rows.dtype)))
    weights = tf.where(tf.math.is_nan(rows), rows, weights)
    total = tf.cast(size, rows.dtype) if allowed is None else _count(allowed, rows.dtype)[:, 0]
    kept = tf.minimum(tf.cast(places, rows.dtype), total)
    return tf.math.divide_no_nan(tf.reduce_sum(weights * flat, axis=-1), kept)


def check_share(share: float, *, argument: str) -> None:
    """Refuse a share of the elements that is no fraction.

    Raises:
        ValueError: If it is not in (0, 1].
    """
    if not 0.0 < share <= 1.0:
        raise ValueError(f"`{argument}` is a fraction in (0, 1]; 0.2 is a fifth. Received: {share!r}.")


def _count(mask: Any, dtype: Any) -> Any:
    return tf.reduce_sum(tf.cast(mask, dtype), axis=-1, keepdims=True)
