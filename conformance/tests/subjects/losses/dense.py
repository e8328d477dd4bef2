"""Losses over pixels: overlaps, hard pixels, logits first."""

import tensorflow as tf


class BatchDice:
    """One Dice score for all pixels of the batch together."""

    def __init__(self, smooth=1.0):
        self.smooth = smooth

    def __call__(self, y_true, y_pred):
        y_true, y_pred = tf.cast(y_true, tf.float32), tf.cast(y_pred, tf.float32)
        overlap = tf.reduce_sum(y_true * y_pred)
        return 1.0 - (2.0 * overlap + self.smooth) / (tf.reduce_sum(y_true) + tf.reduce_sum(y_pred) + self.smooth)


def tversky(y_true, y_pred, alpha=0.3, beta=0.7):
    """Follows the dtype of the predictions, where 1e-7 is nothing and a sum over pixels loses its digits."""
    y_true = tf.cast(y_true, y_pred.dtype)
    epsilon = tf.cast(1e-7, y_pred.dtype)
    axes = [1, 2, 3]
    hit = tf.reduce_sum(y_true * y_pred, axes)
    extra = tf.reduce_sum((1 - y_true) * y_pred, axes)
    missed = tf.reduce_sum(y_true * (1 - y_pred), axes)
    alpha, beta = tf.cast(alpha, y_pred.dtype), tf.cast(beta, y_pred.dtype)
    return 1 - (hit + epsilon) / (hit + alpha * extra + beta * missed + epsilon)


def pixel_loss(scores, masks):
    """Logits first, under names that nobody can guess; a mean over the pixels that are not void."""
    valid = masks != 255
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(tf.where(valid, masks, 0), tf.cast(scores, tf.float32))
    valid = tf.cast(valid, tf.float32)
    return tf.math.divide_no_nan(tf.reduce_sum(losses * valid), tf.reduce_sum(valid))


class HardPixels:
    """The mean over the quarter of pixels of the batch that are hardest; an empty batch has none."""

    def __call__(self, logits, labels):
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, tf.cast(logits, tf.float32))
        flat = tf.reshape(losses, [-1])
        hardest = tf.maximum(tf.cast(0.25 * tf.cast(tf.size(flat), tf.float32), tf.int32), 1)
        return tf.reduce_mean(tf.math.top_k(flat, hardest).values)


def giou(y_true, y_pred):
    """Generalised intersection over union of boxes [batch, 4], as ymin, xmin, ymax, xmax."""
    y_true, y_pred = tf.cast(y_true, tf.float32), tf.cast(y_pred, tf.float32)

    def area(low, high):
        sides = tf.maximum(high - low, 0.0)
        return sides[..., 0] * sides[..., 1]

    low, high = (y_true[..., :2], y_pred[..., :2]), (y_true[..., 2:], y_pred[..., 2:])
    common = area(tf.maximum(*low), tf.minimum(*high))
    union = area(low[0], high[0]) + area(low[1], high[1]) - common
    hull = area(tf.minimum(*low), tf.maximum(*high))
    return 1.0 - tf.math.divide_no_nan(common, union) + tf.math.divide_no_nan(hull - union, hull)


class TwoHeads:
    """A dict on both sides: a class and two sizes, weighted."""

    def __call__(self, y_true, y_pred):
        kind = tf.nn.sparse_softmax_cross_entropy_with_logits(y_true["kind"], tf.cast(y_pred["kind"], tf.float32))
        error = tf.abs(tf.cast(y_pred["size"], tf.float32) - tf.cast(y_true["size"], tf.float32))
        rows = kind + 0.5 * tf.reduce_mean(tf.where(error < 1.0, 0.5 * error**2, error - 0.5), axis=-1)
        return tf.math.divide_no_nan(tf.reduce_sum(rows), tf.cast(tf.size(rows), tf.float32))
