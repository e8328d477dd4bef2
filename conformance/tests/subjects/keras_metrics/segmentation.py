"""Metrics of label maps and depth maps as people write them."""

import tensorflow as tf

from conformance.tests.subjects.keras_metrics.classification import one_weight_an_example, reset


class SegmentationIoU(tf.keras.metrics.Metric):
    """Mean IoU of label maps `[batch, h, w]` and logits `[batch, h, w, classes]` without the pixels of a label.

    Keeps a float32 confusion matrix, as most do. A pixel with NaN logits is a miss.
    """

    def __init__(self, num_classes=3, ignore_label=255, name="miou", **kwargs):
        super().__init__(name=name, **kwargs)
        self.num_classes, self.ignore_label = num_classes, ignore_label
        shape = (num_classes, num_classes + 1)
        self.confusion = self.add_weight(name="confusion", shape=shape, initializer="zeros", dtype="float32")

    def update_state(self, y_true, y_pred, sample_weight=None):
        y_pred = tf.cast(y_pred, tf.float32)
        weights = one_weight_an_example(sample_weight, tf.shape(y_true)[0], "float32")[:, None, None]
        weights *= tf.cast(tf.not_equal(y_true, self.ignore_label), tf.float32)
        readable = tf.math.is_finite(tf.reduce_sum(y_pred, axis=-1))
        found = tf.where(readable, tf.argmax(y_pred, axis=-1), self.num_classes)
        rows = tf.one_hot(tf.cast(y_true, tf.int32), self.num_classes) * weights[..., None]
        columns = tf.one_hot(found, self.num_classes + 1)
        self.confusion.assign_add(tf.einsum("bhwi,bhwj->ij", rows, columns))

    def result(self):
        matrix = tf.convert_to_tensor(self.confusion)
        both = tf.linalg.diag_part(matrix[:, : self.num_classes])
        either = tf.reduce_sum(matrix, axis=1) + tf.reduce_sum(matrix[:, : self.num_classes], axis=0) - both
        present = tf.cast(either > 0, tf.float32)
        mean = tf.math.divide_no_nan(tf.reduce_sum(tf.math.divide_no_nan(both, either)), tf.reduce_sum(present))
        return tf.cast(mean, self.dtype)

    def reset_state(self):
        reset(self)

    def get_config(self):
        return {**super().get_config(), "num_classes": self.num_classes, "ignore_label": self.ignore_label}


class LateIoU(SegmentationIoU):
    """Makes its matrix when the first batch shows how many classes there are."""

    def __init__(self, ignore_label=255, name="miou", **kwargs):
        tf.keras.metrics.Metric.__init__(self, name=name, **kwargs)
        self.ignore_label = ignore_label
        self.num_classes = self.confusion = None

    def update_state(self, y_true, y_pred, sample_weight=None):
        if self.confusion is None:
            self.num_classes = y_pred.shape[-1]
            shape = (self.num_classes, self.num_classes + 1)
            self.confusion = self.add_weight(name="confusion", shape=shape, initializer="zeros", dtype="float32")
        super().update_state(y_true, y_pred, sample_weight)

    def result(self):
        return tf.zeros((), self.dtype) if self.confusion is None else super().result()

    def get_config(self):
        return {**tf.keras.metrics.Metric.get_config(self), "ignore_label": self.ignore_label}


class CountsIgnoredPixels(SegmentationIoU):
    """Clips the ignored label to the last class, which then gets all of its pixels."""

    def update_state(self, y_true, y_pred, sample_weight=None):
        super().update_state(tf.minimum(tf.cast(y_true, tf.int32), self.num_classes - 1), y_pred, sample_weight)


class DepthDeviation(tf.keras.metrics.Metric):
    """Mean absolute error over the pixels that are valid."""

    def __init__(self, name="depth_error", **kwargs):
        super().__init__(name=name, **kwargs)
        self.total = self.add_weight(name="total", shape=(), initializer="zeros", dtype="float64")
        self.count = self.add_weight(name="count", shape=(), initializer="zeros", dtype="float64")

    def update_state(self, y_true, y_pred, sample_weight=None):
        error = tf.abs(tf.cast(y_pred, tf.float32) - y_true["depth"])
        weights = one_weight_an_example(sample_weight, tf.shape(error)[0])[:, None, None]
        pixels = tf.cast(y_true["valid"], tf.float64)
        self.total.assign_add(tf.reduce_sum(tf.math.multiply_no_nan(tf.cast(error, tf.float64), pixels * weights)))
        self.count.assign_add(tf.reduce_sum(self.counted(pixels, weights)))

    def counted(self, pixels, weights):
        return pixels * weights

    def result(self):
        return tf.cast(tf.math.divide_no_nan(tf.convert_to_tensor(self.total), self.count), self.dtype)


class WeightedSumOverPixels(DepthDeviation):
    """Weighs the errors and not the pixels that it divides by."""

    def counted(self, pixels, weights):
        return pixels
