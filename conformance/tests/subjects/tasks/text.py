"""Short texts by an embedding, as a Task with a configuration of its own; what it reads is where the mistakes are."""

import dataclasses
import random as python_random
import types

import numpy as np
import tensorflow as tf
from assay.conformance.model import Kind, Subject

from conformance.tests.subjects.tasks.training import batches, host_batch_size, minimise, sharded
from conformance.tests.subjects.verdicts import case

VOCABULARY, LENGTH, PADDING = 12, 6, 0


def sentences(count, seed):
    """Token ids `[count, LENGTH]`, padded with 0, and whether more than half of the tokens are above 6."""
    random = np.random.default_rng(seed)
    tokens = random.integers(1, VOCABULARY, size=(count, LENGTH)).astype(np.int32)
    lengths = random.integers(2, LENGTH + 1, size=count)
    tokens[np.arange(LENGTH) >= lengths[:, None]] = PADDING
    return tokens, (2 * np.sum(tokens > VOCABULARY // 2, axis=1) > lengths).astype(np.float32)


TRAIN, VALIDATION = sentences(28, seed=30), sentences(21, seed=31)


@dataclasses.dataclass(frozen=True)
class DataConfig:
    is_training: bool
    global_batch_size: int = 8
    drop_remainder: bool = True
    seed: int | None = 1


class MaskedMean(tf.keras.layers.Layer):
    """The mean over the tokens that are not padding."""

    def call(self, embedded, kept):
        kept = tf.cast(kept, embedded.dtype)[..., tf.newaxis]
        return tf.reduce_sum(embedded * kept, axis=1) / tf.maximum(tf.reduce_sum(kept, axis=1), 1.0)


class TextNet(tf.keras.Model):
    def __init__(self):
        super().__init__()
        self.embedding = tf.keras.layers.Embedding(VOCABULARY, 4)
        self.pooling = MaskedMean()
        self.dense = tf.keras.layers.Dense(6, activation="gelu")
        self.logit = tf.keras.layers.Dense(1, dtype="float32")

    def call(self, tokens, training=None):
        pooled = self.pooling(self.embedding(tokens), tf.not_equal(tokens, PADDING))
        return tf.squeeze(self.logit(self.dense(pooled)), axis=-1)


class Sentiment:
    def __init__(self):
        self.task_config = types.SimpleNamespace(
            train_data=DataConfig(is_training=True), validation_data=DataConfig(is_training=False, drop_remainder=False)
        )

    def build_model(self):
        return TextNet()  # its variables are made by the first call

    def build_inputs(self, params, input_context=None):
        return batches(TRAIN if params.is_training else VALIDATION, params, input_context)

    def build_losses(self, labels, model_outputs, aux_losses=None):
        loss = tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels, model_outputs))
        return loss + tf.add_n(aux_losses) if aux_losses else loss

    def build_metrics(self, training=True):
        return [tf.keras.metrics.BinaryAccuracy(name="accuracy", threshold=0.0)]

    def train_step(self, inputs, model, optimizer, metrics=None):
        tokens, labels = inputs
        with tf.GradientTape() as tape:
            logits = model(tokens, training=True)
            loss = self.build_losses(labels, logits)
        minimise(loss, tape, model, optimizer)
        for metric in metrics or []:
            metric.update_state(labels[:, tf.newaxis], logits[:, tf.newaxis])
        return {"loss": loss}

    def validation_step(self, inputs, model, metrics=None):
        tokens, labels = inputs
        logits = model(tokens, training=False)
        for metric in metrics or []:
            metric.update_state(labels[:, tf.newaxis], logits[:, tf.newaxis])
        return {"loss": self.build_losses(labels, logits)}

    def inference_step(self, inputs, model):
        return tf.sigmoid(model(inputs, training=False))


class ShufflesWithoutTheSeed(Sentiment):
    def build_inputs(self, params, input_context=None):
        return super().build_inputs(types.SimpleNamespace(**{**vars(params), "seed": None}), input_context)


class IgnoresTheShard(Sentiment):
    def build_inputs(self, params, input_context=None):
        dataset = tf.data.Dataset.from_tensor_slices(TRAIN if params.is_training else VALIDATION)
        if params.is_training:
            dataset = dataset.shuffle(64, seed=params.seed).repeat()
        return dataset.batch(host_batch_size(params, input_context), drop_remainder=params.drop_remainder)


class GlobalBatchOnEachHost(Sentiment):
    def build_inputs(self, params, input_context=None):
        dataset = sharded(TRAIN if params.is_training else VALIDATION, input_context)
        if params.is_training:
            dataset = dataset.shuffle(64, seed=params.seed).repeat()
        return dataset.batch(params.global_batch_size, drop_remainder=params.drop_remainder)


class DropsTheRemainder(Sentiment):
    """In evaluation too, whatever it is asked for."""

    def build_inputs(self, params, input_context=None):
        return batches(
            TRAIN if params.is_training else VALIDATION, dataclasses.replace(params, drop_remainder=True), input_context
        )


class FillsTheLastBatch(Sentiment):
    """Evaluates on the first examples again until the last batch is full."""

    def build_inputs(self, params, input_context=None):
        if params.is_training:
            return super().build_inputs(params, input_context)
        dataset, size = sharded(VALIDATION, input_context), host_batch_size(params, input_context)
        count = int(dataset.cardinality())
        return dataset.repeat().take(-(-count // size) * size).batch(size, drop_remainder=True)


class RepeatsInEvaluation(Sentiment):
    def build_inputs(self, params, input_context=None):
        return super().build_inputs(params, input_context).repeat()


class EndsAfterAnEpoch(Sentiment):
    def build_inputs(self, params, input_context=None):
        dataset = sharded(TRAIN if params.is_training else VALIDATION, input_context)
        if params.is_training:
            dataset = dataset.shuffle(64, seed=params.seed)
        return dataset.batch(host_batch_size(params, input_context), drop_remainder=params.drop_remainder)


class ShufflesInPython(Sentiment):
    """A generator that shuffles with Python's random numbers: nothing of it is in a checkpoint."""

    def build_inputs(self, params, input_context=None):
        if not params.is_training:
            return super().build_inputs(params, input_context)
        pipelines = input_context.num_input_pipelines if input_context else 1
        mine = input_context.input_pipeline_id if input_context else 0

        def generate():
            while True:
                order = list(range(mine, len(TRAIN[1]), pipelines))
                python_random.shuffle(order)
                yield from ((TRAIN[0][index], TRAIN[1][index]) for index in order)

        spec = (tf.TensorSpec([LENGTH], tf.int32), tf.TensorSpec([], tf.float32))
        dataset = tf.data.Dataset.from_generator(generate, output_signature=spec)
        return dataset.batch(host_batch_size(params, input_context), drop_remainder=True)


def subject(factory, name, **traits):
    return Subject(factory, kind=Kind.TASK, name=name, traits=traits)


CASES = [
    case(subject(Sentiment, "sentiment")),
    case(subject(ShufflesWithoutTheSeed, "sentiment, shuffles without the seed"), fails="I202", may_fail="T202 T601"),
    case(subject(IgnoresTheShard, "sentiment, ignores the shard"), fails="I203"),
    case(subject(GlobalBatchOnEachHost, "sentiment, global batch on each host"), fails="I207"),
    case(subject(DropsTheRemainder, "sentiment, drops the remainder"), fails="I201 I205 T203"),
    case(subject(FillsTheLastBatch, "sentiment, fills the last batch"), fails="I201 T203", may_fail="I203 I205"),
    case(
        subject(RepeatsInEvaluation, "sentiment, repeats in evaluation"),
        fails="I206",
        may_fail="I201 I205 T203",
    ),
    case(
        subject(EndsAfterAnEpoch, "sentiment, ends after an epoch"),
        fails="I204",
        may_fail="I202 T201 T202 T401 T601 T604",
    ),
    case(subject(ShufflesInPython, "sentiment, shuffles in Python"), fails="I301", may_fail="I202 T202 T601"),
]
