"""Losses over numbers and embeddings: errors, quantiles, rankings, contrasts."""

import numpy as np
import tensorflow as tf


class MaskedError:
    """Says that it is a mean over what is not masked, and divides by the batch."""

    def __call__(self, y_true, y_pred, sample_weight=None):
        errors = tf.reduce_mean(tf.abs(tf.cast(y_pred, tf.float32) - tf.cast(y_true, tf.float32)), axis=-1)
        if sample_weight is not None:
            weights = tf.cast(sample_weight, tf.float32)
            errors = tf.where(weights > 0, errors, 0.0) * weights
        return tf.math.divide_no_nan(tf.reduce_sum(errors), tf.cast(tf.shape(errors)[0], tf.float32))


class WeightedHuber:
    """A weighted mean that divides by the weights, masks what has none, and gives 0 for nothing."""

    def __init__(self, delta=1.0):
        self.delta = delta

    def __call__(self, y_true, y_pred, sample_weight=None):
        y_true, y_pred = tf.cast(y_true, tf.float32), tf.cast(y_pred, tf.float32)
        y_true.shape.assert_is_compatible_with(y_pred.shape)
        weights = tf.ones_like(y_pred[:, 0]) if sample_weight is None else tf.cast(sample_weight, tf.float32)
        used = (weights > 0)[:, tf.newaxis]
        error = tf.abs(tf.where(used, y_pred, 0.0) - tf.where(used, y_true, 0.0))
        rows = tf.where(error < self.delta, 0.5 * error**2, self.delta * (error - 0.5 * self.delta))
        rows = tf.reduce_mean(rows, axis=-1)
        return tf.math.divide_no_nan(tf.reduce_sum(rows * weights), tf.reduce_sum(weights))


_LEVELS = np.array([0.1, 0.5, 0.9])


def pinball(y_true, y_pred):
    """Captures a float64 array, and so computes in float64; right wherever float64 can be had."""
    error = tf.cast(y_true, tf.float64) - tf.cast(y_pred, tf.float64)
    return tf.reduce_mean(tf.maximum(_LEVELS * error, (_LEVELS - 1.0) * error), axis=-1)


def distance(y_true, y_pred):
    """Euclidean: the root has no slope at the target."""
    y_true, y_pred = tf.cast(y_true, tf.float32), tf.cast(y_pred, tf.float32)
    return tf.sqrt(tf.reduce_sum(tf.square(y_true - y_pred), axis=-1))


def rmse(y_true, y_pred):
    """The root of the mean over the whole batch."""
    return tf.sqrt(tf.reduce_mean(tf.square(tf.cast(y_true, tf.float32) - tf.cast(y_pred, tf.float32))))


def log_cosh(y_true, y_pred):
    """In the form that does not overflow."""
    y_true, y_pred = tf.cast(y_true, tf.float32), tf.cast(y_pred, tf.float32)
    if y_true.shape.rank != y_pred.shape.rank:
        raise ValueError(f"targets of shape {y_true.shape}, predictions of shape {y_pred.shape}")
    error = y_pred - y_true
    return tf.reduce_mean(error + tf.nn.softplus(-2.0 * error) - np.log(2.0).astype(np.float32), axis=-1)


def ranking_hinge(y_true, y_pred):
    """Each document against each that is less relevant, in a table [batch, batch]."""
    scores, grades = tf.cast(tf.reshape(y_pred, [-1]), tf.float32), tf.cast(tf.reshape(y_true, [-1]), tf.float32)
    pairs = tf.cast(grades[:, tf.newaxis] > grades[tf.newaxis, :], tf.float32)
    margins = tf.nn.relu(1.0 - (scores[:, tf.newaxis] - scores[tf.newaxis, :]))
    return tf.math.divide_no_nan(tf.reduce_sum(pairs * margins), tf.reduce_sum(pairs))


def info_nce(y_true, y_pred, temperature=0.1):
    """Picks the other view of each example among all of the batch; nothing of nothing is not a number."""
    table = tf.matmul(tf.cast(y_pred, tf.float32), tf.cast(y_true, tf.float32), transpose_b=True) / temperature
    labels = tf.range(tf.shape(table)[0])
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, table))


def siamese(y_true, y_pred):
    """Contrastive loss of distances [batch]: pulls the same together, and others as far as a margin; one a pair."""
    y_true, y_pred = tf.cast(y_true, tf.float32), tf.cast(y_pred, tf.float32)
    y_true.shape.assert_is_compatible_with(y_pred.shape)
    return y_true * tf.square(y_pred) + (1.0 - y_true) * tf.square(tf.maximum(1.0 - y_pred, 0.0))


def _charbonnier(y_true, y_pred, epsilon=1e-3):
    return tf.reduce_mean(tf.sqrt(tf.square(y_true - y_pred) + epsilon**2), axis=-1)


def charbonnier():
    """A function in Keras' own wrapper."""
    from keras.src.losses.losses import LossFunctionWrapper

    return LossFunctionWrapper(_charbonnier, name="charbonnier", epsilon=0.05)
