"""Sound components in the ways that people write them for TPUs: fixed shapes, masks and weights, 32 bits and less."""

import dataclasses

import numpy as np
import tensorflow as tf
from assay.conformance import Subject
from assay.conformance.specimens import (
    CROSS_ENTROPY,
    DEVIATION,
    HIT_RATE,
    HUBER_LOSS,
    IOU,
    SOUND_TASK,
    SoundDeviation,
    SoundHitRate,
    SoundHuber,
    SoundTask,
)

keras = tf.keras


@dataclasses.dataclass(frozen=True)
class Fit:
    """One component.

    Attributes:
      subject: The component.
      rule: The rule about compiling.
      slow: Whether it is left to the slow tests.
    """

    subject: Subject
    rule: str
    slow: bool = True

    def __str__(self):
        return f"{self.rule}-{self.subject.name.replace(' ', '_')}"


_random = np.random.default_rng(0)
LOGITS = _random.normal(size=(4, 3)).astype(np.float32)
IDS = np.array([0, 2, 1, 1], np.int32)
ONE_HOT = np.eye(3, dtype=np.float32)[IDS]
PROBABILITIES = (np.exp(LOGITS) / np.exp(LOGITS).sum(-1, keepdims=True)).astype(np.float32)
BINARY = np.array([[0.0], [1.0], [1.0], [0.0]], np.float32)
SCORES = np.array([[0.2], [0.7], [0.4], [0.1]], np.float32)
NUMBERS = (LOGITS[::-1].copy(), LOGITS)


class TakesTheHardestHalf(SoundHuber):
    def reduce(self, losses, weights):
        return tf.reduce_mean(tf.math.top_k(losses, k=max(losses.shape[0] // 2, 1)).values)


class WeighsByMask(SoundHuber):
    def reduce(self, losses, weights):
        kept = tf.cast(losses > 0.1, tf.float32)
        return tf.reduce_sum(losses * kept) / tf.maximum(tf.reduce_sum(kept), 1.0)


class TransformsInComplex64(SoundHuber):
    def call(self, y_true, y_pred):
        spectrum = tf.abs(tf.signal.fft(tf.cast(y_pred - y_true, tf.complex64)))
        return super().call(y_true, y_pred) + tf.reduce_mean(spectrum, axis=-1)


class TakesALogDeterminant(SoundHuber):
    def call(self, y_true, y_pred):
        factor = tf.linalg.cholesky(tf.matmul(y_pred, y_pred, transpose_a=True) + tf.eye(3))
        return super().call(y_true, y_pred) + 2.0 * tf.reduce_sum(tf.math.log(tf.linalg.diag_part(factor)))


class SumsUnsortedSegments(SoundHuber):
    def reduce(self, losses, weights):
        groups = tf.range(losses.shape[0]) % 2
        return tf.reduce_mean(tf.math.unsorted_segment_sum(losses, groups, 2))


class BalancesInALoop(SoundHuber):
    """Sinkhorn's iteration, in a loop of TensorFlow's."""

    def call(self, y_true, y_pred):
        plan = tf.exp(y_pred)
        for _ in tf.range(3):
            plan = plan / tf.reduce_sum(plan, axis=0, keepdims=True)
            plan = plan / tf.reduce_sum(plan, axis=1, keepdims=True)
        return super().call(y_true, y_pred) + tf.reduce_sum(plan * tf.square(y_pred - y_true), axis=-1)


class ContrastsRows(SoundHuber):
    def call(self, y_true, y_pred):
        rows = tf.math.l2_normalize(y_pred, axis=-1)
        similar = tf.matmul(rows, rows, transpose_b=True) - 1e9 * tf.eye(rows.shape[0])
        return super().call(y_true, y_pred) + tf.reduce_logsumexp(similar, axis=-1)


class MapsRows(SoundHuber):
    def call(self, y_true, y_pred):
        return tf.map_fn(
            lambda pair: tf.norm(pair[0] - pair[1] + 1e-3), (y_true, y_pred), fn_output_signature=tf.float32
        )


class BranchesOnValues(SoundHuber):
    def call(self, y_true, y_pred):
        losses = super().call(y_true, y_pred)
        return tf.cond(tf.reduce_max(losses) > 10.0, lambda: tf.sqrt(losses + 1.0), lambda: losses)


class AlignsSequences(SoundHuber):
    """Connectionist temporal classification of dense labels."""

    def __call__(self, y_true, y_pred, sample_weight=None):
        logits = tf.transpose(y_pred, [1, 0, 2])
        lengths = tf.fill([y_pred.shape[0]], y_pred.shape[1])
        ones = tf.ones([y_true.shape[0]], tf.int32)
        return tf.reduce_mean(tf.nn.ctc_loss(y_true, logits, ones, lengths, blank_index=0))


class BinsByBoundaries(SoundDeviation):
    def values(self, y_true, y_pred):
        bins = tf.searchsorted(tf.constant([-0.5, 0.0, 0.5]), tf.reshape(y_pred, [-1]))
        return super().values(y_true, y_pred) + 0.0 * tf.reduce_sum(tf.one_hot(bins, 4))


class CountsWithOneHot(SoundHitRate):
    def values(self, y_true, y_pred):
        counts = tf.reduce_sum(tf.one_hot(tf.cast(y_true, tf.int32), 4), axis=0)
        return super().values(y_true, y_pred) * tf.cast(tf.reduce_sum(counts) > 0.0, tf.float32)


class SizesItsMatrix(SoundHitRate):
    def values(self, y_true, y_pred):
        matrix = tf.math.confusion_matrix(y_true, tf.argmax(y_pred, axis=-1), num_classes=4)
        return super().values(y_true, y_pred) + 0.0 * tf.cast(tf.reduce_sum(matrix), tf.float32)


class ScattersByHandle(SoundHitRate):
    """Adds through a raw operation, which no graph takes for a use of the variable."""

    def __init__(self):
        super().__init__()
        self.seen = tf.Variable([0.0], trainable=False)

    def accumulate(self, values, weights):
        total = tf.reshape(tf.cast(tf.reduce_sum(values), tf.float32), [1])
        tf.raw_ops.ResourceScatterAdd(resource=self.seen.handle, indices=[0], updates=total)
        super().accumulate(values, weights)


class ClipsGradients(SoundTask):
    def unscale(self, optimizer, gradients):
        return tf.clip_by_global_norm(super().unscale(optimizer, gradients), 1.0)[0]


class LooksAtImages(SoundTask):
    def build_model(self):
        layers = keras.layers
        return keras.Sequential(
            [
                layers.Input((8,)),
                layers.Reshape((2, 4, 1)),
                layers.Conv2D(2, 2, padding="same"),
                layers.BatchNormalization(),
                layers.MaxPooling2D((1, 2)),
                layers.Flatten(),
                layers.Dense(3),
            ]
        )


class ReadsSequences(SoundTask):
    def build_model(self):
        layers = keras.layers
        return keras.Sequential([layers.Input((8,)), layers.Reshape((4, 2)), layers.GRU(3), layers.Dense(3)])


class AttendsToItself(SoundTask):
    def build_model(self):
        layers = keras.layers
        inputs = keras.Input((8,))
        rows = layers.Reshape((4, 2))(inputs)
        rows = layers.LayerNormalization()(rows + layers.MultiHeadAttention(1, 2)(rows, rows))
        return keras.Model(inputs, layers.Dense(3)(layers.Flatten()(rows)))


class FlipsAtRandom(SoundTask):
    def forward(self, model, features, *, training):
        if training:
            flipped = tf.random.stateless_uniform([features.shape[0], 1], [1, 2]) < 0.5
            features = tf.where(flipped, tf.reverse(features, [1]), features)
        return super().forward(model, features, training=training)


class ResizesImages(SoundTask):
    def forward(self, model, features, *, training):
        images = tf.image.resize(tf.reshape(features, [-1, 2, 4, 1]), [4, 8])
        return super().forward(model, tf.reshape(tf.image.resize(images, [2, 4]), [-1, 8]), training=training)


class SuppressesBoxes(SoundTask):
    """Padded non-maximum suppression, in validation."""

    def validation_logs(self, labels, outputs, loss):
        boxes = tf.concat([outputs, outputs[:, :1] + 1.0], axis=-1)[None]
        kept, count = tf.image.non_max_suppression_padded(boxes, outputs[None, :, 0], 2, pad_to_max_output_size=True)
        return {**super().validation_logs(labels, outputs, loss), "kept": tf.reduce_sum(count), "first": kept[0, 0]}


class RecomputesActivations(SoundTask):
    def forward(self, model, features, *, training):
        return super().forward(model, tf.recompute_grad(tf.identity)(features), training=training)


def _keras_loss(name, sample, *, slow=True, **options):
    return Fit(Subject(lambda: getattr(keras.losses, name)(**options), sample, kind="loss", name=name), "L402", slow)


def _loss(factory, sample=NUMBERS, **options):
    return Fit(Subject(factory, sample, kind="loss", name=factory.__name__), "L402", **options)


def _keras_metric(name, sample, **options):
    made = Subject(lambda: getattr(keras.metrics, name)(**options), sample, kind="keras_metric", name=name)
    return Fit(made, "K402")


def _metric(base, factory, **options):
    return Fit(base.replace(factory=factory, name=factory.__name__, traits={}), "K402", **options)


def _task(factory, **options):
    return Fit(Subject(factory, kind="task", name=factory.__name__), "T402", **options)


FIT = (
    Fit(CROSS_ENTROPY, "L402", slow=False),
    Fit(HUBER_LOSS, "L402"),
    _keras_loss("SparseCategoricalCrossentropy", (IDS, LOGITS), slow=False, from_logits=True),
    _keras_loss("CategoricalCrossentropy", (ONE_HOT, LOGITS), from_logits=True),
    _keras_loss("CategoricalFocalCrossentropy", (ONE_HOT, PROBABILITIES)),
    _keras_loss("BinaryCrossentropy", (BINARY, SCORES)),
    _keras_loss("KLDivergence", (PROBABILITIES[::-1].copy(), PROBABILITIES)),
    _keras_loss("MeanSquaredError", NUMBERS),
    _keras_loss("LogCosh", NUMBERS),
    _keras_loss("CosineSimilarity", NUMBERS),
    _loss(TakesTheHardestHalf, slow=False),
    _loss(WeighsByMask, slow=False),
    _loss(TransformsInComplex64, slow=False),
    _loss(TakesALogDeterminant, slow=False),
    _loss(SumsUnsortedSegments),
    _loss(BalancesInALoop, slow=False),
    _loss(ContrastsRows),
    _loss(MapsRows),
    _loss(BranchesOnValues),
    _loss(AlignsSequences, (np.ones((3, 2), np.int32), _random.normal(size=(3, 4, 3)).astype(np.float32))),
    Fit(HIT_RATE, "K402", slow=False),
    Fit(DEVIATION, "K402"),
    Fit(IOU, "K402"),
    _keras_metric("SparseCategoricalAccuracy", (IDS, LOGITS)),
    _keras_metric("SparseTopKCategoricalAccuracy", (IDS, LOGITS), k=2),
    _keras_metric("MeanAbsoluteError", NUMBERS),
    _keras_metric("Precision", (BINARY, SCORES)),
    _keras_metric("AUC", (BINARY, SCORES), num_thresholds=5),
    _metric(DEVIATION, BinsByBoundaries, slow=False),
    _metric(HIT_RATE, CountsWithOneHot),
    _metric(HIT_RATE, SizesItsMatrix, slow=False),
    _metric(HIT_RATE, ScattersByHandle, slow=False),
    Fit(SOUND_TASK, "T402"),
    _task(ClipsGradients),
    _task(LooksAtImages),
    _task(ReadsSequences),
    _task(AttendsToItself),
    _task(FlipsAtRandom),
    _task(ResizesImages),
    _task(SuppressesBoxes),
    _task(RecomputesActivations),
)
