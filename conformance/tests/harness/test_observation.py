"""The suite's own gradient of a step, against one worked out by hand in NumPy."""

import numpy as np
import pytest
import tensorflow as tf
from assay.conformance.context import Context
from assay.conformance.harness.tasks import observe_training, training_batches
from assay.conformance.harness.tasks.observation import BUILT_LOSS, LOGGED_LOSS
from assay.conformance.model import Kind, Subject
from assay.conformance.session import Session
from assay.conformance.specimens import DROPOUT_TASK, SoundTask

pytestmark = pytest.mark.flavour


class Linear(SoundTask):
    """Multinomial regression, whose gradient is known in closed form; the step itself applies something else."""

    def build_model(self):
        return tf.keras.Sequential([tf.keras.layers.Input((8,)), tf.keras.layers.Dense(3)])

    def replica_share(self, loss):
        return 7.0 * loss


def observe(factory, **options):
    subject = factory if isinstance(factory, Subject) else Subject(factory, kind=Kind.TASK)
    ctx = Context("T104", Session(subject))
    return ctx, observe_training(ctx, **options)


def test_gradient_of_the_loss_equals_the_closed_form():
    ctx, seen = observe(Linear)
    features, labels = (np.asarray(part, np.float64) for part in training_batches(ctx, 3)[0])
    kernel, bias = (seen.steps[0].before.model[name].astype(np.float64) for name in seen.trainable)
    logits = features @ kernel + bias
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    slope = (probabilities - np.eye(3)[labels.astype(int)]) / len(labels)

    for objective in (LOGGED_LOSS, BUILT_LOSS):
        gradients = seen.steps[0].objectives[objective]
        np.testing.assert_allclose(gradients[seen.trainable[0]], features.T @ slope, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(gradients[seen.trainable[1]], slope.sum(axis=0), rtol=1e-4, atol=1e-6)
    applied = seen.steps[0].applied_sum()
    np.testing.assert_allclose(applied[seen.trainable[0]], 7.0 * features.T @ slope, rtol=1e-4, atol=1e-6)


def test_gradient_is_that_of_the_same_dropout_mask():
    _, seen = observe(DROPOUT_TASK)

    for step in seen.steps:
        for name, gradient in step.applied_sum().items():
            np.testing.assert_allclose(step.objectives[LOGGED_LOSS][name], gradient, rtol=1e-5, atol=1e-7)


def test_gradient_of_regularisers_is_told_apart_from_that_of_the_data():
    _, seen = observe(lambda: SoundTask(weight_decay=0.5))
    step, kernel = seen.steps[0], seen.trainable[0]

    np.testing.assert_allclose(step.regulariser_gradients[kernel], step.before.model[kernel], rtol=1e-5)
    together = step.data_gradients[kernel] + step.regulariser_gradients[kernel]
    np.testing.assert_allclose(step.applied_sum()[kernel], together, rtol=1e-4, atol=1e-6)


def test_frozen_weights_are_told_from_statistics():
    _, seen = observe(lambda: SoundTask(frozen=True, batch_norm=True))

    assert [name.rpartition("/")[2] for name in seen.frozen] == ["kernel", "bias"]
    assert not any("moving" in name for name in seen.weights)


def test_watching_leaves_the_task_as_it_was():
    _, seen = observe(SoundTask)

    assert "build_losses" not in vars(seen.build.task)
    assert not any("call" in vars(layer) for layer in [seen.build.model, *seen.build.model.layers])
    assert not tf.config.functions_run_eagerly()
