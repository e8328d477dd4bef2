"""Metrics of numbers as people write them: correlation, a median, a moving average, a wrapped function."""

import numpy as np
import tensorflow as tf

from conformance.tests.subjects.keras_metrics.classification import one_weight_an_example, reset


def mean_error(y_true, y_pred):
    return tf.reduce_mean(tf.abs(tf.cast(y_pred, tf.float32) - y_true), axis=-1)


class Pearson(tf.keras.metrics.Metric):
    """Correlation of all numbers so far, from five weighted sums in float64; 0 when one side does not vary."""

    def __init__(self, name="pearson", **kwargs):
        super().__init__(name=name, **kwargs)
        self.sums = self.add_weight(name="sums", shape=(6,), initializer="zeros", dtype="float64")

    def update_state(self, y_true, y_pred, sample_weight=None):
        x, y = tf.cast(tf.cast(y_true, tf.float32), tf.float64), tf.cast(tf.cast(y_pred, tf.float32), tf.float64)
        x.shape.assert_is_compatible_with(y.shape)
        weights = one_weight_an_example(sample_weight, tf.shape(x)[0])
        powers = tf.stack([tf.ones_like(x), x, y, x * x, y * y, x * y])
        self.sums.assign_add(tf.reduce_sum(tf.math.multiply_no_nan(powers, weights), axis=-1))

    def result(self):
        count, x, y, xx, yy, xy = tf.unstack(tf.convert_to_tensor(self.sums))
        covariance = count * xy - x * y
        spread = tf.sqrt(tf.maximum(count * xx - x * x, 0)) * tf.sqrt(tf.maximum(count * yy - y * y, 0))
        return tf.cast(tf.clip_by_value(tf.math.divide_no_nan(covariance, spread), -1, 1), self.dtype)

    def reset_state(self):
        reset(self)


class RunningPearson(tf.keras.metrics.Metric):
    """Correlation from running means and moments about them; the means are no sums, as replicas and merges need."""

    def __init__(self, name="pearson", **kwargs):
        super().__init__(name=name, **kwargs)
        names = ("count", "mean_x", "mean_y", "m_xx", "m_yy", "m_xy")
        self.parts = [self.add_weight(name=one, shape=(), initializer="zeros", dtype="float64") for one in names]

    def update_state(self, y_true, y_pred):
        x, y = tf.cast(y_true, tf.float64), tf.cast(y_pred, tf.float64)
        x.shape.assert_is_compatible_with(y.shape)
        count, mean_x, mean_y, m_xx, m_yy, m_xy = (tf.convert_to_tensor(one) for one in self.parts)
        size = tf.cast(tf.size(x), tf.float64)
        total = count + size
        share = tf.math.divide_no_nan(size, total)
        new_x = mean_x + share * (tf.math.divide_no_nan(tf.reduce_sum(x), size) - mean_x)
        new_y = mean_y + share * (tf.math.divide_no_nan(tf.reduce_sum(y), size) - mean_y)
        values = (
            total,
            new_x,
            new_y,
            m_xx + tf.reduce_sum((x - new_x) ** 2) + count * (mean_x - new_x) ** 2,
            m_yy + tf.reduce_sum((y - new_y) ** 2) + count * (mean_y - new_y) ** 2,
            m_xy + tf.reduce_sum((x - new_x) * (y - new_y)) + count * (mean_x - new_x) * (mean_y - new_y),
        )
        for variable, value in zip(self.parts, values, strict=True):
            variable.assign_add(value - tf.convert_to_tensor(variable))

    def result(self):
        _, _, _, xx, yy, xy = (tf.convert_to_tensor(one) for one in self.parts)
        return tf.cast(tf.math.divide_no_nan(xy, tf.sqrt(xx) * tf.sqrt(yy)), self.dtype)


class MedianError(tf.keras.metrics.Metric):
    """Median of the absolute errors, which are kept in a list."""

    def __init__(self, name="median_error", **kwargs):
        super().__init__(name=name, **kwargs)
        self.kept = []

    def update_state(self, y_true, y_pred):
        self.kept.append(tf.abs(tf.cast(y_pred, tf.float32) - y_true))

    def result(self):
        if not self.kept:
            return tf.zeros((), self.dtype)
        return tf.cast(np.median(np.concatenate([one.numpy() for one in self.kept])), self.dtype)

    def reset_state(self):
        self.kept = []


class MovingAverage(tf.keras.metrics.Metric):
    """Error of the last batches: each weighs nine tenths of the one after it."""

    def __init__(self, name="recent_error", **kwargs):
        super().__init__(name=name, **kwargs)
        self.total = self.add_weight(name="total", shape=(), initializer="zeros", dtype="float64")
        self.count = self.add_weight(name="count", shape=(), initializer="zeros", dtype="float64")

    def update_state(self, y_true, y_pred):
        error = tf.cast(mean_error(y_true, y_pred), tf.float64)
        self.total.assign(0.9 * tf.convert_to_tensor(self.total) + tf.reduce_sum(error))
        self.count.assign(0.9 * tf.convert_to_tensor(self.count) + tf.cast(tf.size(error), tf.float64))

    def result(self):
        return tf.cast(tf.math.divide_no_nan(tf.convert_to_tensor(self.total), self.count), self.dtype)


class FunctionMean(tf.keras.metrics.Mean):
    """The mean of a function; the function is not in the config."""

    def __init__(self, function, name="function", **kwargs):
        super().__init__(name=name, **kwargs)
        self.function = function

    def update_state(self, y_true, y_pred, sample_weight=None):
        return super().update_state(self.function(y_true, y_pred), sample_weight=sample_weight)


class SquaredErrors(tf.Module):
    """Root mean squared error without Keras; its reset has the older name."""

    def __init__(self):
        super().__init__(name="rmse")
        self.total, self.count = (self.sum_over_replicas(name) for name in ("total", "count"))

    @staticmethod
    def sum_over_replicas(name):
        return tf.Variable(
            tf.zeros((), tf.float64),
            trainable=False,
            name=name,
            synchronization=tf.VariableSynchronization.ON_READ,
            aggregation=tf.VariableAggregation.SUM,
        )

    def update_state(self, labels, predictions, weights=None):
        labels, predictions = tf.cast(labels, tf.float32), tf.cast(predictions, tf.float32)
        labels.shape.assert_is_compatible_with(predictions.shape)
        error = tf.cast(tf.reduce_mean((predictions - labels) ** 2, axis=-1), tf.float64)
        weights = one_weight_an_example(weights, tf.shape(error)[0])
        self.total.assign_add(tf.reduce_sum(tf.math.multiply_no_nan(error, weights)))
        self.count.assign_add(tf.reduce_sum(weights))

    def result(self):
        mean = tf.math.divide_no_nan(tf.convert_to_tensor(self.total), tf.convert_to_tensor(self.count))
        return tf.cast(tf.sqrt(mean), tf.float32)

    def reset_states(self):
        self.total.assign(0.0)
        self.count.assign(0.0)


class CountsInADefault:
    """Mean error whose sums are made once, in a default argument."""

    def __init__(self, sums=[]):  # noqa: B006 - the mistake
        if not sums:
            sums.extend(tf.Variable(0.0, trainable=False) for _ in range(2))
        self.name, self.dtype = "error", "float32"
        self.total, self.count = sums
        self.variables = list(sums)

    def update_state(self, y_true, y_pred):
        error = mean_error(y_true, y_pred)
        self.total.assign_add(tf.reduce_sum(error))
        self.count.assign_add(tf.cast(tf.size(error), tf.float32))

    def result(self):
        return tf.math.divide_no_nan(tf.convert_to_tensor(self.total), self.count)

    def reset_state(self):
        for variable in self.variables:
            variable.assign(0.0)
