"""Four mistakes that people copy from published tutorials are each caught by the right rule, with the right cause.

The tutorial's Task is written from scratch, as a tutorial would: nothing in it comes from the suite.
"""

import numpy as np
import pytest
import tensorflow as tf
from assay.conformance import check
from assay.conformance.model import Kind, Outcome, Subject

pytestmark = [pytest.mark.flavour, pytest.mark.slow]

RULES = ["T102", "T104", "T105", "T106", "T107", "T501", "T503"]
"""The rules that the four mistakes belong to, and those that are easily confused with them."""

FLOWERS = np.random.default_rng(5).normal(size=(24, 4)).astype(np.float32)
SPECIES = np.argmax(FLOWERS[:, :3], axis=1).astype(np.int64)


class Tutorial:
    """Classifies flowers by a small network, which a subclass may give a batch normalisation."""

    momentum = None
    """Of a batch normalisation; None leaves it out."""

    def __init__(self):
        self.accuracy = None

    def build_model(self):
        layers = tf.keras.layers
        stack = [layers.Input((4,)), layers.Dense(8, activation="tanh")]
        if self.momentum is not None:
            stack.append(layers.BatchNormalization(momentum=self.momentum))
        return tf.keras.Sequential([*stack, layers.Dense(3, dtype="float32")])

    def build_inputs(self, params, input_context=None):
        dataset = tf.data.Dataset.from_tensor_slices((FLOWERS, SPECIES))
        size = params.global_batch_size
        if input_context is not None:
            dataset = dataset.shard(input_context.num_input_pipelines, input_context.input_pipeline_id)
            size = input_context.get_per_replica_batch_size(size)
        if params.is_training:
            dataset = dataset.shuffle(24, seed=params.seed).repeat()
        return dataset.batch(size, drop_remainder=params.drop_remainder)

    def build_losses(self, labels, model_outputs, aux_losses=None):
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=model_outputs)
        return tf.reduce_mean(losses) + (tf.add_n(aux_losses) if aux_losses else 0.0)

    def train_step(self, inputs, model, optimizer, metrics=None):
        features, labels = inputs
        with tf.GradientTape() as tape:
            loss = self.build_losses(labels, model(features, training=True), model.losses)
            scaled = self.scaled(optimizer, self.divided(loss))
        variables = model.trainable_variables
        self.apply(optimizer, tape.gradient(scaled, variables), variables)
        return {"loss": loss}

    def divided(self, loss):
        return loss / tf.distribute.get_strategy().num_replicas_in_sync

    def scaled(self, optimizer, loss):
        scale = getattr(optimizer, "get_scaled_loss", None) or getattr(optimizer, "scale_loss", None)
        return scale(loss) if scale else loss

    def apply(self, optimizer, gradients, variables):
        if hasattr(optimizer, "get_unscaled_gradients"):  # tf_keras; the optimizer of Keras 3 does it itself
            gradients = optimizer.get_unscaled_gradients(gradients)
        optimizer.apply_gradients(zip(gradients, variables, strict=True))

    def validation_step(self, inputs, model, metrics=None):
        features, labels = inputs
        logits = self.predicted(model, features)
        return {"loss": self.build_losses(labels, logits), "labels": labels, "logits": logits}

    def predicted(self, model, features):
        return model(features, training=False)

    def inference_step(self, inputs, model):
        return model(inputs, training=False)

    def aggregate_logs(self, state, step_logs):
        if state is None:
            state = tf.keras.metrics.SparseCategoricalAccuracy()
        for labels, logits in zip(step_logs["labels"], step_logs["logits"], strict=True):
            state.update_state(labels, logits)
        return state

    def reduce_aggregated_logs(self, aggregated_logs, global_step=None):
        return {"accuracy": float(aggregated_logs.result())}


class Normalised(Tutorial):
    momentum = 0.9


class ValidatesWithTrainingTrue(Normalised):
    def predicted(self, model, features):
        return model(features, training=True)


class ScaledAndNeverUnscaled(Tutorial):
    """Keras 3 divides in the LossScaleOptimizer: there, code that never unscales hands the one inside its gradients."""

    def apply(self, optimizer, gradients, variables):
        getattr(optimizer, "inner_optimizer", optimizer).apply_gradients(zip(gradients, variables, strict=True))


class ResetAfterTheFirstUpdate(Tutorial):
    """Updates the metric in the step, and resets it where the evaluation seems to begin."""

    def build_model(self):
        self.accuracy = tf.keras.metrics.SparseCategoricalAccuracy()
        return super().build_model()

    def validation_step(self, inputs, model, metrics=None):
        logs = super().validation_step(inputs, model, metrics)
        self.accuracy.update_state(logs["labels"], logs["logits"])
        return {"loss": logs["loss"]}

    def aggregate_logs(self, state, step_logs):
        if state is None:
            self.accuracy.reset_state()
        return self.accuracy


class DividedByTheBatchOfItsReplica(Tutorial):
    def divided(self, loss):
        return loss


def failures(factory, **traits):
    """The failures by rule: (mode, message), of the first mode that fails."""
    report = check(Subject(factory, kind=Kind.TASK, traits=traits), select=RULES)
    assert not [result for result in report.results if result.outcome in (Outcome.ERROR, Outcome.NOT_RUN)]
    found = {}
    for result in report.failures:
        found.setdefault(result.rule, result.message)
    return found


@pytest.mark.parametrize("factory", [Tutorial, Normalised])
def test_the_tutorial_without_a_mistake_is_not_blamed(factory):
    assert failures(factory, batch_statistics=factory is Normalised) == {}


def test_validation_in_training_mode_is_named_as_that():
    found = failures(ValidatesWithTrainingTrue, batch_statistics=True)

    assert set(found) == {"T102", "T107"}
    assert "moving_mean" in found["T102"]
    assert "training=True" in found["T107"]
    assert "training=False" in found["T107"]  # the fix


def test_a_loss_that_is_scaled_and_never_unscaled_is_named_as_that():
    found = failures(ScaledAndNeverUnscaled)

    assert set(found) == {"T105"}
    assert "1024 times the update" in found["T105"]
    assert "the loss is scaled and the gradients are never unscaled" in found["T105"]


def test_a_metric_that_is_reset_after_its_first_update_is_named_as_that():
    found = failures(ResetAfterTheFirstUpdate)

    assert set(found) == {"T503"}
    assert "'accuracy' does not depend on the first batch of an evaluation" in found["T503"]
    assert "resets a metric that the first step has updated already" in found["T503"]


def test_a_loss_divided_by_the_batch_of_its_replica_only_is_named_as_that():
    found = failures(DividedByTheBatchOfItsReplica)

    assert set(found) == {"T104", "T501"}  # an update that is too large is seen with one step, and by comparing runs
    assert "on 2 replicas is 2 times" in found["T501"]
    assert "is not divided by the number of replicas" in found["T104"]
    assert "not divided by num_replicas_in_sync" in found["T501"]
