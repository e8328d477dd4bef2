"""Losses over classes: focal, smoothed, weighted, distilled."""

import numpy as np
import tensorflow as tf


class FocalLoss(tf.keras.losses.Loss):
    """Takes the logarithm of a probability as it is, and tells nobody its gamma."""

    def __init__(self, gamma=2.0, name="focal"):
        super().__init__(name=name)
        self.gamma = gamma

    def call(self, y_true, y_pred):
        p = tf.nn.softmax(y_pred)
        return tf.reduce_sum(-y_true * (1 - p) ** self.gamma * tf.math.log(p), axis=-1)


class SigmoidFocalLoss(tf.keras.losses.Loss):
    """Works in log space, has its arguments in its config, and leaves weights to the base class."""

    def __init__(self, alpha=0.25, gamma=2.0, reduction="sum_over_batch_size", name="sigmoid_focal"):
        super().__init__(reduction=reduction, name=name)
        self.alpha, self.gamma = alpha, gamma

    def call(self, y_true, y_pred):
        y_true = tf.cast(y_true, y_pred.dtype)
        signed = (1.0 - 2.0 * y_true) * y_pred
        alpha = y_true * self.alpha + (1.0 - y_true) * (1.0 - self.alpha)
        losses = tf.exp(self.gamma * tf.math.log_sigmoid(signed)) * tf.nn.softplus(signed)
        return tf.reduce_mean(alpha * losses, axis=-1)

    def get_config(self):
        return {"name": self.name, "reduction": self.reduction, "alpha": self.alpha, "gamma": self.gamma}


def sparse_focal(y_true, y_pred):
    """Casts labels to the dtype of the predictions, which are bfloat16 under a mixed policy, and back."""
    y_true = tf.cast(y_true, y_pred.dtype)
    labels = tf.cast(y_true, tf.int32)
    log_p = tf.nn.log_softmax(tf.cast(y_pred, tf.float32))
    log_p = tf.gather(log_p, labels, axis=-1, batch_dims=1)
    return -((1.0 - tf.exp(log_p)) ** 2.0) * log_p


class SmoothedSegmentationLoss:
    """Smooths the one-hot rows of void pixels too: they are pulled to the uniform distribution."""

    def __init__(self, smoothing=0.1, ignore_label=255):
        self.smoothing, self.ignore_label = smoothing, ignore_label

    def __call__(self, y_true, y_pred):
        y_pred = tf.cast(y_pred, tf.float32)
        classes = y_pred.shape[-1]
        rows = tf.one_hot(y_true, classes) * (1.0 - self.smoothing) + self.smoothing / classes
        losses = tf.nn.softmax_cross_entropy_with_logits(rows, y_pred)
        count = tf.reduce_sum(tf.cast(y_true != self.ignore_label, tf.float32))
        return tf.math.divide_no_nan(tf.reduce_sum(losses), count)


def weighted_bce(y_true, y_pred):
    """Squeezes the predictions, and meets labels [batch, 1] with a table [batch, batch]."""
    y_pred = tf.squeeze(tf.cast(y_pred, tf.float32))
    return tf.nn.weighted_cross_entropy_with_logits(tf.cast(y_true, tf.float32), y_pred, pos_weight=3.0)


class ClassWeighted:
    """Looks the weights of the classes up in NumPy: nothing but an eager tensor can be read there."""

    def __init__(self):
        self.table = np.array([1.0, 2.0, 0.5, 1.5], np.float32)

    def __call__(self, y_true, y_pred):
        weights = self.table[y_true.numpy()]
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(y_true, tf.cast(y_pred, tf.float32))
        return tf.math.divide_no_nan(tf.reduce_sum(weights * losses), tf.cast(tf.size(losses), tf.float32))


def distillation(y_true, y_pred, temperature=4.0):
    """Kullback-Leibler divergence of softened logits, one value an example."""
    teacher = tf.nn.log_softmax(tf.cast(y_true, tf.float32) / temperature)
    student = tf.nn.log_softmax(tf.cast(y_pred, tf.float32) / temperature)
    return temperature**2 * tf.reduce_sum(tf.exp(teacher) * (teacher - student), axis=-1)


class AveragesInCall(tf.keras.losses.Loss):
    """Means over the batch in `call`: sample weights then weigh the mean of everything."""

    def call(self, y_true, y_pred):
        return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(y_true, y_pred))


class ForgetsWeights:
    """Has the argument, and no use for it."""

    def __call__(self, y_true, y_pred, sample_weight=None):
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(y_true, tf.cast(y_pred, tf.float32))
        return tf.math.divide_no_nan(tf.reduce_sum(losses), tf.cast(tf.size(losses), tf.float32))


class RunningScale:
    """Divides by a running mean of itself, which each call moves."""

    def __init__(self):
        self.scale = tf.Variable(1.0, trainable=False)

    def __call__(self, y_true, y_pred):
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(y_true, tf.cast(y_pred, tf.float32))
        mean = tf.reduce_mean(losses)
        self.scale.assign(0.9 * self.scale + 0.1 * tf.stop_gradient(mean))
        return mean / self.scale
