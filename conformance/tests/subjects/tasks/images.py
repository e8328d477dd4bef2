"""Small images by a convolutional network with batch normalisation, in the manner of orbit: metrics, no aggregation."""

import numpy as np
import tensorflow as tf
from assay.conformance.harness.flavour import KERAS_3, default_flavour
from assay.conformance.model import Kind, Subject

from conformance.tests.subjects.tasks.training import host_batch_size, minimise, sharded
from conformance.tests.subjects.verdicts import case

NUM_CLASSES = 3


def drawings(count, seed):
    """Images `[count, 8, 8, 1]` with a bar: upright, across, or none."""
    random = np.random.default_rng(seed)
    images = random.normal(scale=0.2, size=(count, 8, 8, 1)).astype(np.float32)
    labels = random.integers(0, NUM_CLASSES, size=count).astype(np.int64)
    for image, label in zip(images, labels, strict=True):
        if label == 0:
            image[:, random.integers(8)] += 1.0
        elif label == 1:
            image[random.integers(8)] += 1.0
    return images, labels


TRAIN, VALIDATION = drawings(27, seed=20), drawings(19, seed=21)


class ConvNet(tf.keras.Model):
    def __init__(self):
        super().__init__()
        self.convolution = tf.keras.layers.Conv2D(4, 3, use_bias=False)
        self.norm = tf.keras.layers.BatchNormalization(momentum=0.9)
        self.pool = tf.keras.layers.GlobalAveragePooling2D()
        self.head = tf.keras.layers.Dense(NUM_CLASSES, dtype="float32")

    def call(self, images, training=None):
        hidden = tf.nn.relu(self.norm(self.convolution(images), training=training))
        return self.head(self.pool(hidden))


class Bars:
    model_class = ConvNet

    def build_model(self):
        model = self.model_class()
        model(tf.zeros((1, 8, 8, 1)))
        return model

    def build_inputs(self, params, input_context=None):
        dataset = sharded(TRAIN if params.is_training else VALIDATION, input_context)
        if params.is_training:
            dataset = dataset.shuffle(64, seed=params.seed).repeat()
            dataset = self.augment(dataset, params.seed or 0)
        dataset = dataset.batch(host_batch_size(params, input_context), drop_remainder=params.drop_remainder)
        return dataset.prefetch(tf.data.AUTOTUNE)

    def augment(self, dataset, seed):
        """Flips by a coin that depends on the seed and on the position alone, so that a resumed run flips alike."""

        def flip(position, example):
            image, label = example
            return tf.image.stateless_random_flip_left_right(image, tf.stack([seed, position])), label

        return dataset.enumerate().map(flip)

    def build_losses(self, labels, model_outputs, aux_losses=None):
        targets = 0.9 * tf.one_hot(labels, NUM_CLASSES) + 0.1 / NUM_CLASSES
        loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(targets, model_outputs))
        return loss + tf.add_n(aux_losses) if aux_losses else loss

    def build_metrics(self, training=True):
        return [tf.keras.metrics.SparseCategoricalAccuracy(name="accuracy")]

    def process_metrics(self, metrics, labels, model_outputs):
        for metric in metrics or []:
            metric.update_state(labels, model_outputs)

    def train_step(self, inputs, model, optimizer, metrics=None):
        images, labels = inputs
        with tf.GradientTape() as tape:
            logits = self.logits(images, model)
            loss = self.build_losses(labels, logits, model.losses)
        minimise(loss, tape, model, optimizer)
        self.process_metrics(metrics, labels, logits)
        return {"loss": loss}

    def logits(self, images, model):
        return model(images, training=True)

    def validation_step(self, inputs, model, metrics=None):
        images, labels = inputs
        logits = self.inference_step(images, model)
        self.process_metrics(metrics, labels, logits)
        return {"loss": self.build_losses(labels, logits, model.losses)}

    def inference_step(self, inputs, model):
        return model(inputs, training=False)


class ValidatesInTrainingMode(Bars):
    def validation_step(self, inputs, model, metrics=None):
        images, labels = inputs
        logits = model(images, training=True)
        self.process_metrics(metrics, labels, logits)
        return {"loss": self.build_losses(labels, logits, model.losses)}


class ForgetsTrainingMode(Bars):
    def logits(self, images, model):
        return model(images)


class FlipsFreely(Bars):
    def augment(self, dataset, seed):
        return dataset.map(lambda image, label: (tf.image.random_flip_left_right(image), label))


class BlocksInAList(Bars):
    """Keeps its layers in a list: Keras 3 trains them and leaves them out of a checkpoint."""

    class Net(tf.keras.Model):
        def __init__(self):
            super().__init__()
            layers = tf.keras.layers
            self.blocks = [layers.Conv2D(4, 3, use_bias=False), layers.BatchNormalization(momentum=0.9)]
            self.head = layers.Dense(NUM_CLASSES, dtype="float32")

        def call(self, images, training=None):
            hidden = self.blocks[1](self.blocks[0](images), training=training)
            return self.head(tf.reduce_mean(tf.nn.relu(hidden), axis=[1, 2]))

    model_class = Net


class MeanOfBatchMeans(Bars):
    """Gives a mean metric the accuracy of each batch: the short last batch counts as much as the others."""

    def build_metrics(self, training=True):
        return [tf.keras.metrics.Mean(name="accuracy")]

    def process_metrics(self, metrics, labels, model_outputs):
        hits = tf.cast(tf.equal(tf.argmax(model_outputs, axis=-1), labels), tf.float32)
        for metric in metrics or []:
            metric.update_state(tf.reduce_mean(hits))


class CountsErrorsTwice(Bars):
    """A sum of errors that the step feeds itself, and feeds again with the other metrics."""

    def build_metrics(self, training=True):
        return [tf.keras.metrics.Sum(name="errors")]

    def process_metrics(self, metrics, labels, model_outputs):
        wrong = tf.cast(tf.not_equal(tf.argmax(model_outputs, axis=-1), labels), tf.float32)
        for metric in metrics or []:
            metric.update_state(wrong)

    def validation_step(self, inputs, model, metrics=None):
        logs = super().validation_step(inputs, model, metrics)
        self.process_metrics(metrics, inputs[1], self.inference_step(inputs[0], model))
        return logs


class LogsTheRate(Bars):
    def train_step(self, inputs, model, optimizer, metrics=None):
        logs = super().train_step(inputs, model, optimizer, metrics)
        return {**logs, "learning_rate": tf.convert_to_tensor(optimizer.learning_rate)}


def subject(factory, name, **traits):
    return Subject(factory, kind=Kind.TASK, name=name, traits={"batch_statistics": True, **traits})


IN_KERAS_3_ONLY = "T602" if default_flavour() == KERAS_3 else ""

CASES = [
    case(subject(Bars, "bars")),
    case(
        subject(ValidatesInTrainingMode, "bars, validates in training mode"),
        fails="T102 T107",
        may_fail="T203 T502",
    ),
    case(subject(ForgetsTrainingMode, "bars, trains in inference mode"), fails="T108"),
    case(subject(FlipsFreely, "bars, flips freely"), fails="I302", may_fail="I301 T202 T601"),
    case(subject(BlocksInAList, "bars, blocks in a list"), fails=IN_KERAS_3_ONLY, may_fail="T601 T605 T607"),
    case(subject(MeanOfBatchMeans, "bars, mean of batch means"), fails="T203 T502"),
    case(subject(CountsErrorsTwice, "bars, counts errors twice"), fails="T203"),
    case(subject(LogsTheRate, "bars, logs the learning rate"), fails="T101"),
]
