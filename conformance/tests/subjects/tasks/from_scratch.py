"""Sound Tasks that share no code with the suite's specimens: a bare object, a `tf.Module`, one with other batches."""

import types

import numpy as np
import tensorflow as tf
from assay.conformance.model import Kind, Subject

FEATURES = np.random.default_rng(3).normal(size=(20, 5)).astype(np.float32)
TARGETS = (FEATURES @ np.random.default_rng(4).normal(size=(5, 2))).astype(np.float32)


def batches(params, examples):
    dataset = tf.data.Dataset.from_tensor_slices(examples)
    if params.is_training:
        dataset = dataset.shuffle(len(FEATURES), seed=1).repeat()
    return dataset.batch(params.global_batch_size, drop_remainder=params.is_training)


class BareMinimum:
    """Four methods, no metrics, no build_losses, no inference_step; a model that knows nothing of `training`."""

    def build_model(self):
        inputs = tf.keras.Input((5,))
        return tf.keras.Model(inputs, tf.keras.layers.Dense(2)(inputs))

    def build_inputs(self, params, input_context=None):
        return batches(params, (FEATURES, TARGETS))

    def train_step(self, inputs, model, optimizer, metrics=None):
        x, y = inputs
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(model(x, training=True) - y))
            share = loss / tf.distribute.get_strategy().num_replicas_in_sync
        gradients = tape.gradient(share, model.trainable_weights)
        optimizer.apply_gradients(zip(gradients, model.trainable_weights, strict=True))
        return {"loss": loss}

    def validation_step(self, inputs, model, metrics=None):
        return {"loss": tf.reduce_mean(tf.square(model(inputs[0]) - inputs[1]))}


class ModuleTask(tf.Module):
    """In the manner of larger libraries: a `tf.Module` with defaults for everything, and a configuration."""

    loss = "loss"

    def __init__(self, params=None, logging_dir=None, name=None):
        super().__init__(name=name)
        self._task_config = params or types.SimpleNamespace(
            losses=types.SimpleNamespace(loss_weight=2.0), freeze_backbone=True, init_checkpoint=None
        )

    @property
    def task_config(self):
        return self._task_config

    def initialize(self, model):
        assert self.task_config.init_checkpoint is None

    def build_model(self):
        layers, decay = tf.keras.layers, tf.keras.regularizers.L2(0.05)
        inputs = tf.keras.Input((5,))
        backbone = tf.keras.Sequential(
            [layers.Input((5,)), layers.Dense(4, kernel_regularizer=decay), layers.BatchNormalization()],
            name="backbone",
        )
        backbone.trainable = not self.task_config.freeze_backbone
        outputs = layers.Dense(2, kernel_regularizer=decay)(backbone(inputs))
        return tf.keras.Model(inputs, {"values": outputs})

    def build_inputs(self, params, input_context=None):
        return batches(params, (FEATURES, TARGETS))

    def build_losses(self, labels, model_outputs, aux_losses=None, sample_weight=None):
        per_example = tf.reduce_mean(tf.square(model_outputs["values"] - labels), axis=-1)
        total = tf.reduce_mean(per_example if sample_weight is None else per_example * sample_weight)
        if aux_losses:
            total += tf.add_n(aux_losses)
        return self.task_config.losses.loss_weight * total

    def build_metrics(self, training=True):
        return [tf.keras.metrics.MeanSquaredError(name="mse")]

    def process_metrics(self, metrics, labels, model_outputs, **kwargs):
        for metric in metrics:
            metric.update_state(labels, model_outputs["values"])

    def train_step(self, inputs, model, optimizer, metrics=None):
        features, labels = inputs
        with tf.GradientTape() as tape:
            outputs = tf.nest.map_structure(lambda x: tf.cast(x, tf.float32), model(features, training=True))
            loss = self.build_losses(labels=labels, model_outputs=outputs, aux_losses=model.losses)
            scaled = loss / tf.distribute.get_strategy().num_replicas_in_sync
        weights = model.trainable_variables
        optimizer.apply_gradients(list(zip(tape.gradient(scaled, weights), weights, strict=True)))
        logs = {self.loss: loss}
        if metrics:
            self.process_metrics(metrics, labels, outputs)
            logs.update({m.name: m.result() for m in metrics})
        return logs

    def validation_step(self, inputs, model, metrics=None):
        features, labels = inputs
        outputs = self.inference_step(features, model)
        loss = self.build_losses(labels=labels, model_outputs=outputs, aux_losses=model.losses)
        if metrics:
            self.process_metrics(metrics, labels, outputs)
        return {self.loss: loss}

    def inference_step(self, inputs, model):
        return model(inputs, training=False)

    def aggregate_logs(self, state, step_logs):
        pass

    def reduce_aggregated_logs(self, aggregated_logs, global_step=None):
        return {}


class Reconstruction(BareMinimum):
    """Batches without labels (the features are their own), and example weights in a dict."""

    def build_model(self):
        inputs = {"x": tf.keras.Input((5,), name="x"), "weight": tf.keras.Input((), name="weight")}
        code = tf.keras.layers.Dense(3, activation="tanh")(inputs["x"])
        return tf.keras.Model(inputs, tf.keras.layers.Dense(5)(code))

    def build_inputs(self, params, input_context=None):
        weight = np.linspace(0.5, 1.5, len(FEATURES)).astype(np.float32)
        return batches(params, {"x": FEATURES, "weight": weight})

    def build_losses(self, labels, model_outputs, aux_losses=None):
        loss = tf.reduce_mean(labels["weight"][:, None] * tf.square(model_outputs - labels["x"]))
        return loss + sum(aux_losses) if aux_losses else loss

    def train_step(self, inputs, model, optimizer, metrics=None):
        with tf.GradientTape() as tape:
            loss = self.build_losses(inputs, model(inputs, training=True))
            share = loss / tf.distribute.get_strategy().num_replicas_in_sync
        optimizer.apply_gradients(
            zip(tape.gradient(share, model.trainable_weights), model.trainable_weights, strict=True)
        )
        return {"loss": loss}

    def validation_step(self, inputs, model, metrics=None):
        return {"loss": self.build_losses(inputs, model(inputs, training=False))}


SUBJECTS = [
    Subject(BareMinimum, kind=Kind.TASK, name="bare minimum"),
    Subject(ModuleTask, kind=Kind.TASK, traits={"batch_statistics": True}, name="tf.Module with everything"),
    Subject(Reconstruction, kind=Kind.TASK, name="features are their own labels"),
]
