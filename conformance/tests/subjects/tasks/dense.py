"""Segmentation with an ignore label and detection with padded boxes: dict labels, counts of their own, host metrics."""

import numpy as np
import tensorflow as tf
from assay.conformance.model import Kind, Subject

from conformance.tests.subjects.tasks.training import batches, minimise
from conformance.tests.subjects.verdicts import case

NUM_CLASSES, IGNORED = 3, 255


def scenes(count, seed):
    """Images `[count, 6, 6, 2]` and masks `[count, 6, 6]` with a border of `IGNORED`, wider in some."""
    random = np.random.default_rng(seed)
    images = random.normal(size=(count, 6, 6, 2)).astype(np.float32)
    masks = np.where(images[..., 0] > 0.3, 2, np.where(images[..., 1] > 0.0, 1, 0)).astype(np.int32)
    for index, mask in enumerate(masks):
        mask[: 1 + index % 4] = IGNORED
    return images, {"mask": masks, "size": np.full((count, 2), 6, np.int32)}


TRAIN, VALIDATION = scenes(26, seed=40), scenes(13, seed=41)


class Segmentation:
    """Averages over all pixels, ignored ones counting as zero; the mean IoU is that of the whole evaluation."""

    def build_model(self):
        layers = tf.keras.layers
        return tf.keras.Sequential(
            [
                layers.Input((6, 6, 2)),
                layers.Conv2D(4, 3, padding="same", activation="swish"),
                layers.Conv2D(NUM_CLASSES, 1, dtype="float32"),
            ]
        )

    def build_inputs(self, params, input_context=None):
        return batches(TRAIN if params.is_training else VALIDATION, params, input_context)

    def build_losses(self, labels, model_outputs, aux_losses=None):
        valid = tf.cast(tf.not_equal(labels["mask"], IGNORED), tf.float32)
        known = tf.where(tf.equal(labels["mask"], IGNORED), 0, labels["mask"])
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(known, model_outputs)
        loss = self.normalise(tf.reduce_sum(losses * valid), valid)
        return loss + tf.add_n(aux_losses) if aux_losses else loss

    def normalise(self, total, valid):
        return total / tf.cast(tf.size(valid), tf.float32)

    def train_step(self, inputs, model, optimizer, metrics=None):
        images, labels = inputs
        with tf.GradientTape() as tape:
            loss = self.build_losses(labels, model(images, training=True), model.losses)
        minimise(loss, tape, model, optimizer)
        return {"loss": loss}

    def validation_step(self, inputs, model, metrics=None):
        images, labels = inputs
        logits = model(images, training=False)
        return {"loss": self.build_losses(labels, logits), "confusion": self.confusion(labels["mask"], logits)}

    def confusion(self, mask, logits):
        valid = tf.cast(tf.not_equal(mask, IGNORED), tf.int32)
        predicted = tf.argmax(logits, axis=-1, output_type=tf.int32)
        cells = tf.where(tf.equal(mask, IGNORED), 0, mask) * NUM_CLASSES + predicted
        counts = tf.math.unsorted_segment_sum(tf.reshape(valid, [-1]), tf.reshape(cells, [-1]), NUM_CLASSES**2)
        return tf.reshape(counts, [NUM_CLASSES, NUM_CLASSES])

    def inference_step(self, inputs, model):
        return tf.nn.softmax(model(inputs, training=False))

    def aggregate_logs(self, state, step_logs):
        state = np.zeros((NUM_CLASSES, NUM_CLASSES), np.int64) if state is None else state
        return state + sum(np.asarray(counts) for counts in step_logs["confusion"])

    def reduce_aggregated_logs(self, aggregated_logs, global_step=None):
        hits = np.diag(aggregated_logs)
        union = aggregated_logs.sum(0) + aggregated_logs.sum(1) - hits
        return {"mean_iou": float(np.mean(hits[union > 0] / union[union > 0]))}


class StartsWithTheSecondBatch(Segmentation):
    def aggregate_logs(self, state, step_logs):
        if state is None:
            return np.zeros((NUM_CLASSES, NUM_CLASSES), np.int64)
        return super().aggregate_logs(state, step_logs)


class ReadsTheFirstReplicaOnly(Segmentation):
    def aggregate_logs(self, state, step_logs):
        return super().aggregate_logs(state, {**step_logs, "confusion": step_logs["confusion"][:1]})


class DividesByItsValidPixels(Segmentation):
    """Divides by the valid pixels of this replica, which differ between replicas."""

    def normalise(self, total, valid):
        return tf.math.divide_no_nan(total, tf.reduce_sum(valid))


class CutsOutTheValidPixels(Segmentation):
    """Picks the valid pixels with a mask: their number is known only when the step runs."""

    def build_losses(self, labels, model_outputs, aux_losses=None):
        valid = tf.not_equal(labels["mask"], IGNORED)
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
            tf.boolean_mask(labels["mask"], valid), tf.boolean_mask(model_outputs, valid)
        )
        loss = tf.reduce_sum(losses) / tf.cast(tf.size(valid), tf.float32)
        return loss + tf.add_n(aux_losses) if aux_losses else loss


class MeanOfBatchIoUs(Segmentation):
    """Averages the mean IoUs of the batches, on the host."""

    def aggregate_logs(self, state, step_logs):
        scores = [super(MeanOfBatchIoUs, self).reduce_aggregated_logs(np.asarray(c)) for c in step_logs["confusion"]]
        return (state or []) + [score["mean_iou"] for score in scores]

    def reduce_aggregated_logs(self, aggregated_logs, global_step=None):
        return {"mean_iou": float(np.mean(aggregated_logs))}


def subject(factory, name, **traits):
    return Subject(factory, kind=Kind.TASK, name=name, traits=traits)


CASES = [
    case(subject(Segmentation, "segmentation")),
    case(
        subject(StartsWithTheSecondBatch, "segmentation, starts with the second batch"),
        fails="T503",
        may_fail="T203 T502",
    ),
    case(subject(ReadsTheFirstReplicaOnly, "segmentation, reads the first replica only"), fails="T502"),
    case(subject(DividesByItsValidPixels, "segmentation, divides by its valid pixels"), fails="T501"),
    case(subject(CutsOutTheValidPixels, "segmentation, cuts out the valid pixels"), fails="T402"),
    case(subject(MeanOfBatchIoUs, "segmentation, mean of batch IoUs"), fails="T203 T502"),
]
