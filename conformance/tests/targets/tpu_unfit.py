"""Components that work on a CPU and cannot work on a TPU, each with the rule that refuses it and what that says."""

import dataclasses

import numpy as np
import tensorflow as tf
from assay.conformance import Subject
from assay.conformance.specimens import (
    DEVIATION,
    HIT_RATE,
    HUBER_LOSS,
    SoundDeviation,
    SoundHitRate,
    SoundHuber,
    SoundTask,
)


@dataclasses.dataclass(frozen=True)
class Unfit:
    """One component.

    Attributes:
      subject: The component.
      rule: The rule that refuses it.
      line: A part of its own line that the message must quote; empty where no line is at fault.
      why: A part of the reason.
      instead: A part of what is proposed.
      slow: Whether compiling it takes seconds.
    """

    subject: Subject
    rule: str
    line: str
    why: str
    instead: str
    slow: bool = False

    def __str__(self):
        return f"{self.rule}-{self.subject.name.replace(' ', '_')}"


# Losses.


class TakesTheHardest(SoundHuber):
    def reduce(self, losses, weights):
        wrong = tf.reduce_sum(tf.cast(losses > 0.5, tf.int32))
        return tf.reduce_mean(tf.sort(losses, direction="DESCENDING")[: 1 + wrong])


class LeavesRowsOut(SoundHuber):
    def reduce(self, losses, weights):
        return tf.reduce_mean(tf.boolean_mask(losses, losses > 0.1))


class CountsSteps(SoundHuber):
    def call(self, y_true, y_pred):
        length = tf.cast(tf.reduce_max(tf.abs(y_pred)) + 1.0, tf.int32)
        return super().call(y_true, y_pred) * tf.reduce_mean(tf.cast(tf.range(length), tf.float32))


class ChoosesAnAxis(SoundHuber):
    def call(self, y_true, y_pred):
        axis = tf.cast(y_pred[0, 0] > 0.0, tf.int32)
        return super().call(y_true, y_pred) + 0.0 * tf.reduce_sum(tf.cumsum(y_pred, axis=axis))


class WritesText(SoundHuber):
    def call(self, y_true, y_pred):
        digits = tf.strings.length(tf.strings.as_string(y_pred))
        return super().call(y_true, y_pred) + 0.0 * tf.reduce_sum(tf.cast(digits, tf.float32))


class CallsNumPy(SoundHuber):
    def call(self, y_true, y_pred):
        median = tf.numpy_function(np.median, [y_pred], tf.float32)
        return super().call(y_true, y_pred) + 0.0 * median


class Prints(SoundHuber):
    def call(self, y_true, y_pred):
        losses = super().call(y_true, y_pred)
        tf.print("largest loss", tf.reduce_max(losses))
        return losses


class TransformsInComplex128(SoundHuber):
    def call(self, y_true, y_pred):
        spectrum = tf.signal.fft(tf.cast(y_pred - y_true, tf.complex128))
        return super().call(y_true, y_pred) + tf.cast(tf.reduce_mean(tf.abs(spectrum), axis=-1), tf.float32)


class TransformsInFloat64(SoundHuber):
    def call(self, y_true, y_pred):
        spectrum = tf.signal.rfft(tf.cast(y_pred - y_true, tf.float64))
        return super().call(y_true, y_pred) + tf.cast(tf.reduce_mean(tf.abs(spectrum), axis=-1), tf.float32)


class MakesAVariable(SoundHuber):
    def call(self, y_true, y_pred):
        scale = tf.Variable(1.0)
        return super().call(y_true, y_pred) * scale


class TakesADeterminant(SoundHuber):
    def call(self, y_true, y_pred):
        covariance = tf.matmul(y_pred, y_pred, transpose_a=True) + tf.eye(3)
        return super().call(y_true, y_pred) + 0.0 * tf.math.log(tf.linalg.det(covariance))


class SumsSortedSegments(SoundHuber):
    def reduce(self, losses, weights):
        groups = tf.range(tf.size(losses)) // 2
        return tf.reduce_mean(tf.math.segment_sum(losses, groups))


# Metrics.


class CountsDistinct(SoundHitRate):
    def values(self, y_true, y_pred):
        classes = tf.unique(tf.cast(y_true, tf.int32))[0]
        return super().values(y_true, y_pred) * tf.cast(tf.size(classes) > 0, tf.float32)


class ConvertsToNumPy(SoundHitRate):
    def values(self, y_true, y_pred):
        return tf.constant((y_true.numpy() == np.argmax(y_pred.numpy(), axis=-1)).astype(np.float32))


class LooksUp(SoundHitRate):
    def __init__(self):
        super().__init__()
        pairs = tf.lookup.KeyValueTensorInitializer(tf.range(4, dtype=tf.int64), tf.range(4, dtype=tf.int64))
        self.table = tf.lookup.StaticHashTable(pairs, default_value=-1)

    def values(self, y_true, y_pred):
        return super().values(self.table.lookup(tf.cast(y_true, tf.int64)), y_pred)


class CountsByWidth(SoundDeviation):
    def values(self, y_true, y_pred):
        counts = tf.histogram_fixed_width(y_pred, [-1.0, 1.0], nbins=4)
        return super().values(y_true, y_pred) + 0.0 * tf.cast(counts[0], tf.float32)


class KeepsRaggedRows(SoundDeviation):
    def values(self, y_true, y_pred):
        rows = tf.RaggedTensor.from_row_lengths(tf.reshape(y_pred, [-1]), tf.ones_like(y_pred[:, 0], tf.int32) * 3)
        return super().values(y_true, y_pred) + 0.0 * tf.reduce_sum(rows.to_tensor())


class SizesItsMatrix(SoundHitRate):
    def values(self, y_true, y_pred):
        matrix = tf.math.confusion_matrix(y_true, tf.argmax(y_pred, axis=-1))
        return super().values(y_true, y_pred) + 0.0 * tf.cast(tf.reduce_sum(matrix), tf.float32)


# Task steps.


class CropsByBoxes(SoundTask):
    def forward(self, model, features, *, training):
        images = tf.reshape(features, [-1, 2, 4, 1])
        crops = tf.image.crop_and_resize(
            images, [[0.0, 0.0, 1.0, 1.0]] * images.shape[0], range(images.shape[0]), [2, 4]
        )
        return super().forward(model, tf.reshape(crops, [-1, 8]), training=training)


class CompressesImages(SoundTask):
    def forward(self, model, features, *, training):
        image = tf.cast(tf.clip_by_value(features[:2, :, None] * 255.0, 0.0, 255.0), tf.uint8)
        again = tf.io.decode_jpeg(tf.io.encode_jpeg(image))
        return super().forward(model, features, training=training) + 0.0 * tf.reduce_mean(tf.cast(again, tf.float32))


class YieldsNames(SoundTask):
    def build_inputs(self, params, input_context=None):
        def named(features, labels):
            return {"x": features, "name": tf.strings.as_string(labels)}, labels

        return super().build_inputs(params, input_context).map(named)

    def forward(self, model, features, *, training):
        return super().forward(model, features["x"], training=training)


class WritesSummaries(SoundTask):
    def train_logs(self, loss):
        tf.summary.scalar("loss", loss)
        return super().train_logs(loss)


class CountsInPython(SoundTask):
    def process_metrics(self, metrics, labels, model_outputs):
        outputs = tf.py_function(lambda x: x, [model_outputs], tf.float32)
        super().process_metrics(metrics, labels, tf.ensure_shape(outputs, model_outputs.shape))


class KeepsPairsOfTheBatch(SoundTask):
    def build_losses(self, labels, model_outputs, aux_losses=None):
        points = tf.tile(tf.reshape(tf.stop_gradient(model_outputs), [-1]), [4_000])
        pairs = tf.cumsum(tf.cumsum(points[:, None] * points[None, :], axis=0), axis=1)
        return super().build_losses(labels, model_outputs, aux_losses) + 0.0 * tf.reduce_max(pairs)


_FIXED = "Work on all elements with a mask or weights"
_NO_PYTHON = "call Python, which exists on the host alone"
_WIDE = "brought the wide dtype in"
_IN_32_BITS = "Cast to float32"


def _loss(factory, line, why, instead, **options):
    return Unfit(
        HUBER_LOSS.replace(factory=factory, name=factory.__name__, traits={}), "L402", line, why, instead, **options
    )


def _metric(base, factory, line, why, instead):
    return Unfit(base.replace(factory=factory, name=factory.__name__, traits={}), "K402", line, why, instead)


def _task(factory, rule, line, why, instead, **options):
    return Unfit(Subject(factory, kind="task", name=factory.__name__), rule, line, why, instead, **options)


UNFIT = (
    _loss(TakesTheHardest, "[: 1 + wrong]", "a length, a bound or a shape is computed from values", _FIXED),
    _loss(LeavesRowsOut, "tf.boolean_mask(", "as many rows as there are true values", "Use a mask as weights"),
    _loss(CountsSteps, "tf.range(length)", "a length, a bound or a shape is computed from values", _FIXED),
    _loss(ChoosesAnAxis, "axis=axis", "an axis or a shape is computed from values", _FIXED),
    _loss(WritesText, "tf.strings.as_string(", "works on strings", "return numbers"),
    _loss(CallsNumPy, "tf.numpy_function(", _NO_PYTHON, "Write it with TensorFlow operations"),
    _loss(Prints, "tf.print(", "writes text, on the host", "in the logs"),
    _loss(TransformsInComplex128, "tf.signal.fft(", _WIDE, _IN_32_BITS),
    _loss(TransformsInFloat64, "tf.signal.rfft(", _WIDE, _IN_32_BITS),
    _loss(MakesAVariable, "tf.Variable(1.0)", "has its variables before it runs", "in `__init__`"),
    _loss(TakesADeterminant, "tf.linalg.det(", "no kernel there", "tf.linalg.cholesky"),
    _loss(SumsSortedSegments, "tf.math.segment_sum(", "as many segments as the last id says", "unsorted_segment_sum"),
    _metric(HIT_RATE, CountsDistinct, "tf.unique(", "as many values as are different", "tf.one_hot"),
    _metric(HIT_RATE, ConvertsToNumPy, "y_true.numpy()", "has no values while it is traced", "TensorFlow operations"),
    _metric(HIT_RATE, LooksUp, "self.table.lookup(", "in a table of the host", "tf.gather"),
    _metric(DEVIATION, CountsByWidth, "tf.histogram_fixed_width(", "no kernel there", "tf.one_hot"),
    _metric(DEVIATION, KeepsRaggedRows, "to_tensor()", "as many elements as their values say", _FIXED),
    _metric(HIT_RATE, SizesItsMatrix, "tf.math.confusion_matrix(", "the size of the result", "num_classes"),
    _task(CropsByBoxes, "T402", "tf.image.crop_and_resize(", "no kernel there", "tf.image.resize(", slow=True),
    _task(CompressesImages, "T402", "tf.io.decode_jpeg(", "encoded data, on the host", "build_inputs", slow=True),
    _task(YieldsNames, "T402", "", "an id, a file name or raw text", "Turn strings into numbers"),
    _task(WritesSummaries, "T404", "tf.summary.scalar(", "writes files, on the host", "in the logs"),
    _task(CountsInPython, "T404", "tf.py_function(", _NO_PYTHON, "Write it with TensorFlow operations"),
    _task(
        KeepsPairsOfTheBatch, "T406", "", "a large intermediate result", "Make the batch a replica smaller", slow=True
    ),
)
