"""Metrics of classifiers as people write them: accuracies, F-beta, calibration, recall."""

import tensorflow as tf


def one_weight_an_example(sample_weight, examples, dtype="float64"):
    """Weights `[batch]`: ones when there are none; anything but `[batch]` or `[batch, 1]` is refused."""
    if sample_weight is None:
        return tf.ones([examples], dtype)
    weights = tf.cast(sample_weight, dtype)
    if weights.shape.rank == 2 and weights.shape[-1] == 1:
        weights = weights[:, 0]
    if weights.shape.rank != 1:
        raise ValueError(f"sample_weight must be one number an example, got shape {weights.shape}")
    tf.debugging.assert_equal(tf.shape(weights)[0], examples, message="sample_weight and y_true differ in length")
    return weights


def ids_and_scores(y_true, y_pred):
    y_true, y_pred = tf.convert_to_tensor(y_true), tf.cast(y_pred, tf.float32)
    if y_true.shape.rank == 2 and y_true.shape[-1] == 1:
        y_true = y_true[:, 0]
    if y_true.shape.rank != 1:
        raise ValueError(f"y_true must be class ids [batch], got shape {y_true.shape}")
    return tf.cast(y_true, tf.int64), y_pred


def reset(metric):
    """Zeros in every variable: the method of tf_keras assigns the number 0, which an array refuses."""
    for variable in metric.variables:
        variable.assign(tf.zeros(variable.shape, variable.dtype))


class Calibration(tf.keras.metrics.Metric):
    """Expected calibration error over equal bins of confidence; NaN when a probability is NaN.

    Counts are float64, so that they go on counting.
    """

    def __init__(self, bins=5, name="ece", **kwargs):
        super().__init__(name=name, **kwargs)
        self.bins = bins
        names = ("hits", "confidence", "count")
        self.sums = [self.add_weight(name=one, shape=(bins,), initializer="zeros", dtype="float64") for one in names]

    def update_state(self, y_true, y_pred, sample_weight=None):
        labels, probabilities = ids_and_scores(y_true, y_pred)
        weights = one_weight_an_example(sample_weight, tf.shape(labels)[0])
        probabilities = tf.where(weights[:, None] == 0, 1.0, probabilities)
        confidence = tf.reduce_max(probabilities, axis=-1)
        broken = tf.math.is_nan(tf.reduce_sum(probabilities, axis=-1))
        index = tf.cast(tf.where(broken, 0.0, confidence) * self.bins, tf.int32)
        inside = tf.one_hot(tf.minimum(index, self.bins - 1), self.bins, dtype=tf.float64) * weights[:, None]
        hits = tf.cast(labels == tf.argmax(probabilities, axis=-1), tf.float64)
        rows = (hits, tf.where(broken, tf.constant(float("nan"), tf.float64), tf.cast(confidence, tf.float64)), 1.0)
        for variable, row in zip(self.sums, rows, strict=True):
            values = inside if isinstance(row, float) else tf.math.multiply_no_nan(row[:, None], inside)
            variable.assign_add(tf.reduce_sum(values, axis=0))

    def result(self):
        hits, confidence, count = (tf.convert_to_tensor(one) for one in self.sums)
        gap = tf.reduce_sum(tf.abs(hits - confidence))
        return tf.cast(tf.math.divide_no_nan(gap, tf.reduce_sum(count)), self.dtype)

    def reset_state(self):
        reset(self)

    def get_config(self):
        return {**super().get_config(), "bins": self.bins}


class TwoHeads(tf.keras.metrics.Metric):
    """Accuracy of the class and error of the size, from dicts, as a dict."""

    def __init__(self, name="heads", **kwargs):
        super().__init__(name=name, **kwargs)
        names = ("right", "error", "count")
        self.right, self.error, self.count = (
            self.add_weight(name=one, shape=(), initializer="zeros", dtype="float64") for one in names
        )

    def update_state(self, y_true, y_pred, sample_weight=None):
        labels, scores = ids_and_scores(y_true["kind"], y_pred["kind"])
        size, found = tf.cast(y_true["size"], tf.float32), tf.cast(y_pred["size"], tf.float32)
        weights = one_weight_an_example(sample_weight, tf.shape(labels)[0])
        hits = (labels == tf.argmax(scores, axis=-1)) & tf.math.is_finite(tf.reduce_sum(scores, axis=-1))
        error = tf.reduce_mean(tf.abs(size - found), axis=-1)
        self.right.assign_add(tf.reduce_sum(tf.cast(hits, weights.dtype) * weights))
        self.error.assign_add(tf.reduce_sum(tf.math.multiply_no_nan(tf.cast(error, weights.dtype), weights)))
        self.count.assign_add(tf.reduce_sum(weights))

    def result(self):
        return {
            "accuracy": tf.cast(tf.math.divide_no_nan(tf.convert_to_tensor(self.right), self.count), self.dtype),
            "size_error": tf.cast(tf.math.divide_no_nan(tf.convert_to_tensor(self.error), self.count), self.dtype),
        }


class TokenAccuracy(tf.keras.metrics.Metric):
    """Share of right tokens where `y_true` is no padding; which id is padding comes with each batch."""

    def __init__(self, name="token_accuracy", **kwargs):
        super().__init__(name=name, **kwargs)
        self.right = self.add_weight(name="right", shape=(), initializer="zeros", dtype="float64")
        self.tokens = self.add_weight(name="tokens", shape=(), initializer="zeros", dtype="float64")

    def update_state(self, y_true, y_pred, sample_weight=None, pad_id=0):
        y_pred = tf.cast(y_pred, tf.float32)
        mask = tf.cast(tf.not_equal(y_true, pad_id), tf.float64)
        mask *= one_weight_an_example(sample_weight, tf.shape(y_true)[0])[:, None]
        found = tf.argmax(y_pred, axis=-1, output_type=y_true.dtype)
        hits = (y_true == found) & tf.math.is_finite(tf.reduce_sum(y_pred, axis=-1))
        self.right.assign_add(tf.reduce_sum(tf.cast(hits, tf.float64) * mask))
        self.tokens.assign_add(tf.reduce_sum(mask))

    def result(self):
        return tf.cast(tf.math.divide_no_nan(tf.convert_to_tensor(self.right), self.tokens), self.dtype)


class HostSideFBeta(tf.keras.metrics.Metric):
    """F2 at one half, with counts that are Python numbers."""

    def __init__(self, name="f2", **kwargs):
        super().__init__(name=name, **kwargs)
        self.true = self.false = self.missed = 0.0

    def update_state(self, y_true, y_pred, sample_weight=None):
        weights = one_weight_an_example(sample_weight, tf.shape(y_true)[0])
        positive, found = tf.cast(y_true, tf.float64), tf.cast(tf.cast(y_pred, tf.float32) > 0.5, tf.float64)
        self.true += float(tf.reduce_sum(weights * positive * found))
        self.false += float(tf.reduce_sum(weights * (1 - positive) * found))
        self.missed += float(tf.reduce_sum(weights * positive * (1 - found)))

    def result(self):
        divisor = 5 * self.true + self.false + 4 * self.missed
        return tf.constant(5 * self.true / divisor if divisor else 0.0, self.dtype)

    def reset_state(self):
        self.true = self.false = self.missed = 0.0


class MeanOfBatches(tf.keras.metrics.Metric):
    """Accuracy as the mean of the accuracies of the batches."""

    def __init__(self, name="accuracy", **kwargs):
        super().__init__(name=name, **kwargs)
        self.total = self.add_weight(name="total", shape=(), initializer="zeros", dtype="float64")
        self.batches = self.add_weight(name="batches", shape=(), initializer="zeros", dtype="float64")

    def update_state(self, y_true, y_pred):
        labels, scores = ids_and_scores(y_true, y_pred)
        hits = (labels == tf.argmax(scores, axis=-1)) & tf.math.is_finite(tf.reduce_sum(scores, axis=-1))
        self.total.assign_add(tf.reduce_mean(tf.cast(hits, tf.float64)))
        self.batches.assign_add(1.0)

    def result(self):
        return tf.cast(tf.math.divide_no_nan(tf.convert_to_tensor(self.total), self.batches), self.dtype)


class HalfTopK(tf.keras.metrics.Metric):
    """Top-2 accuracy whose counts are float16."""

    def __init__(self, name="top2", **kwargs):
        super().__init__(name=name, **kwargs)
        self.total = self.add_weight(name="total", shape=(), initializer="zeros", dtype="float16")
        self.count = self.add_weight(name="count", shape=(), initializer="zeros", dtype="float16")

    def update_state(self, y_true, y_pred):
        labels, scores = ids_and_scores(y_true, y_pred)
        hits = tf.math.in_top_k(tf.cast(labels, tf.int32), scores, k=2)
        self.total.assign_add(tf.reduce_sum(tf.cast(hits, tf.float16)))
        self.count.assign_add(tf.cast(tf.size(hits), tf.float16))

    def result(self):
        return tf.cast(tf.math.divide_no_nan(tf.convert_to_tensor(self.total), self.count), self.dtype)


class MacroRecall(tf.keras.metrics.Metric):
    """Mean of the recalls of all classes; one that never occurs has the recall 0."""

    def __init__(self, num_classes=3, name="recall", **kwargs):
        super().__init__(name=name, **kwargs)
        self.num_classes = num_classes
        self.hits = self.add_weight(name="hits", shape=(num_classes,), initializer="zeros", dtype="float64")
        self.count = self.add_weight(name="count", shape=(num_classes,), initializer="zeros", dtype="float64")

    def update_state(self, y_true, y_pred):
        labels, scores = ids_and_scores(y_true, y_pred)
        hits = (labels == tf.argmax(scores, axis=-1)) & tf.math.is_finite(tf.reduce_sum(scores, axis=-1))
        rows = tf.one_hot(labels, self.num_classes, dtype=tf.float64)
        self.hits.assign_add(tf.reduce_sum(rows * tf.cast(hits, tf.float64)[:, None], axis=0))
        self.count.assign_add(tf.reduce_sum(rows, axis=0))

    def result(self):
        recalls = tf.math.divide_no_nan(tf.convert_to_tensor(self.hits), tf.convert_to_tensor(self.count))
        return tf.cast(tf.reduce_mean(recalls), self.dtype)

    def reset_state(self):
        reset(self)

    def get_config(self):
        return {**super().get_config(), "num_classes": self.num_classes}


class ResetsWhenRead(tf.keras.metrics.Metric):
    """Accuracy that starts anew whenever it was read."""

    def __init__(self, name="accuracy", **kwargs):
        super().__init__(name=name, **kwargs)
        self.total = self.add_weight(name="total", shape=(), initializer="zeros", dtype="float64")
        self.count = self.add_weight(name="count", shape=(), initializer="zeros", dtype="float64")

    def update_state(self, y_true, y_pred):
        labels, scores = ids_and_scores(y_true, y_pred)
        hits = (labels == tf.argmax(scores, axis=-1)) & tf.math.is_finite(tf.reduce_sum(scores, axis=-1))
        self.total.assign_add(tf.reduce_sum(tf.cast(hits, tf.float64)))
        self.count.assign_add(tf.cast(tf.size(hits), tf.float64))

    def result(self):
        value = tf.cast(tf.math.divide_no_nan(tf.convert_to_tensor(self.total), self.count), self.dtype)
        self.total.assign(0.0)
        self.count.assign(0.0)
        return value
