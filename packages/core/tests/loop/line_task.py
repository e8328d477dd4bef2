"""The smallest task that the loop can run, and what it must compute, by hand."""

import dataclasses
import os

import numpy as np
import tensorflow as tf
from assay.core.config import DataConfig, ExperimentConfig, TaskConfig
from assay.core.distribution import get_distribution_strategy
from assay.core.task import Task
from assay.core.trainer import Trainer

EXAMPLES = np.arange(1.0, 13.0, dtype=np.float32).reshape(12, 1)
"""Features of twelve examples, 1 to 12; the label of x is 2 * x."""
RATE = 0.001
LEGACY = os.environ.get("TF_USE_LEGACY_KERAS") == "1"


@dataclasses.dataclass
class LineData(DataConfig):
    shuffle: bool = False
    stateful: bool = False
    repeat: bool = True


@dataclasses.dataclass
class LineConfig(TaskConfig):
    train_data: LineData = dataclasses.field(default_factory=lambda: LineData(is_training=True, global_batch_size=4))
    validation_data: LineData = dataclasses.field(
        default_factory=lambda: LineData(is_training=False, global_batch_size=4)
    )
    dropout: float = 0.0
    l2: float = 0.0


class LineTask(Task):
    """Fit y = w * x, without bias, from w = 0, by the mean of squared errors."""

    def build_model(self):
        layers = [tf.keras.layers.Input([1])]
        if self.task_config.dropout:
            layers.append(tf.keras.layers.Dropout(self.task_config.dropout, seed=1))
        regularizer = tf.keras.regularizers.L2(self.task_config.l2) if self.task_config.l2 else None
        dense = {"use_bias": False, "kernel_initializer": "zeros", "kernel_regularizer": regularizer}
        return tf.keras.Sequential([*layers, tf.keras.layers.Dense(1, **dense)])

    def build_inputs(self, params, input_context=None):
        size = params.global_batch_size
        if input_context is not None:
            size = input_context.get_per_replica_batch_size(size)
        dataset = tf.data.Dataset.from_tensor_slices((EXAMPLES, 2.0 * EXAMPLES))
        if params.stateful:
            dataset = dataset.map(lambda x, y: (x + 0.0 * tf.random.uniform([]), y))
        if params.shuffle:
            dataset = dataset.shuffle(12, seed=params.seed)
        if params.is_training and params.repeat:
            dataset = dataset.repeat()
        return dataset.batch(size, drop_remainder=params.drops_remainder)

    def build_losses(self, labels, model_outputs, aux_losses=None):
        loss = tf.reduce_mean(tf.square(labels - model_outputs))
        return loss + tf.add_n(list(aux_losses)) if aux_losses else loss

    def build_metrics(self, training=True):
        return [tf.keras.metrics.MeanAbsoluteError(name="error")]


def experiment(train_data=None, validation_data=None, task=None, **trainer):
    """An experiment with LineTask; the keywords are fields of its trainer."""
    config = ExperimentConfig(task=LineConfig(**(task or {})))
    for name, value in (train_data or {}).items():
        setattr(config.task.train_data, name, value)
    for name, value in (validation_data or {}).items():
        setattr(config.task.validation_data, name, value)
    for name, value in trainer.items():
        setattr(config.trainer, name, value)
    return config


def make_trainer(config=None, *, strategy=None, task_cls=LineTask, optimizer=None, **options):
    """A Trainer of LineTask with plain SGD, made under the strategy."""
    config = config or experiment()
    with (strategy or tf.distribute.get_strategy()).scope():
        task = task_cls(config.task)
        optimizer = (optimizer or (lambda: tf.keras.optimizers.SGD(RATE)))()
        return Trainer(config, task, model=task.build_model(), optimizer=optimizer, **options)


def train(trainer, steps):
    return trainer.train(tf.constant(steps))


def evaluate(trainer, steps=-1):
    return trainer.evaluate(tf.constant(steps))


def weight(trainer):
    return float(np.asarray(trainer.model.get_weights()[-1]).reshape(()))


def batches(steps, size=4):
    """The batches of the unshuffled training data."""
    endless = np.tile(EXAMPLES, (steps * size // len(EXAMPLES) + 1, 1))
    return [endless[size * i : size * (i + 1)] for i in range(steps)]


def sgd_by_hand(steps, size=4, rate=RATE):
    """The weight after SGD on the mean squared error, and the loss before each step, in float64."""
    w, losses = 0.0, []
    for x in batches(steps, size):
        x = x.astype(np.float64)
        losses.append(np.mean((2 * x - w * x) ** 2))
        w -= rate * np.mean(2 * (w * x - 2 * x) * x)
    return w, losses


def average_by_hand(weights, *, start, decay):
    """The moving average after these weights: Keras 3 starts it at the first of them, tf_keras at those before."""
    average = start if LEGACY else weights[0]
    for each in weights if LEGACY else weights[1:]:
        average = decay * average + (1 - decay) * each
    return average


def two_replicas():
    return get_distribution_strategy("mirrored", num_cpu_devices=2)
