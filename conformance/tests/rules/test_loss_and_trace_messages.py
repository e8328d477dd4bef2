"""The rules about logged losses, batches, traces, variables, overfitting and seeds say what, by what factor and why."""

import random
import time

import numpy as np
import pytest
import tensorflow as tf
from assay.conformance.model import Kind, Mode, Outcome, Subject
from assay.conformance.registry import find_rule
from assay.conformance.runner import run_rule
from assay.conformance.session import Session
from assay.conformance.specimens import SoundTask
from assay.conformance.specimens.nested_task import NestedTask

pytestmark = pytest.mark.flavour


def result_of(rule, factory, mode, **traits):
    session = Session(Subject(factory, kind=Kind.TASK, traits=traits))
    return run_rule(find_rule(rule), session, kind=Kind.TASK, mode=mode)


def finding_of(rule, factory, mode=Mode.EAGER, **traits):
    result = result_of(rule, factory, mode, **traits)
    assert result.outcome is Outcome.FAIL, result.message
    return result.finding


class Logs(SoundTask):
    """Logs a function of the loss and the optimizer."""

    def __init__(self, logged, **options):
        super().__init__(**options)
        self.logged = logged

    def scale(self, optimizer, loss):
        self.optimizer = optimizer
        return super().scale(optimizer, loss)

    def train_logs(self, loss):
        return {"loss": self.logged(self, loss)}


@pytest.mark.parametrize(
    ("logged", "mode", "named", "cause"),
    [
        (lambda task, loss: SoundTask.scale(task, task.optimizer, loss), Mode.EAGER, "1024 x", "scaled loss is logged"),
        (
            lambda task, loss: SoundTask.scale(task, task.optimizer, loss),
            Mode.MIXED_PRECISION,
            "with a loss scale of 1024",
            "scaled loss is logged",
        ),
        (
            lambda task, loss: loss / SoundTask.scale(task, task.optimizer, tf.constant(1.0)),
            Mode.EAGER,
            "0.000976562 x",
            "divided by the loss scale",
        ),
        (lambda task, loss: tf.stop_gradient(loss) / 8.0, Mode.EAGER, "logs 0.125 x", "8 examples once more"),
        (lambda task, loss: tf.stop_gradient(loss) / 2.0, Mode.EAGER, "logs 0.5 x", "written into the code"),
        (lambda task, loss: task.replica_share(loss), Mode.REPLICAS, "0.5 x on each", "objective"),
        (
            lambda task, loss: loss * tf.distribute.get_strategy().num_replicas_in_sync,
            Mode.REPLICAS,
            "2 x on each",
            "multiplied by the 2 replicas",
        ),
    ],
)
def test_t110_names_the_factor_and_its_cause(logged, mode, named, cause):
    finding = finding_of("T110", lambda: Logs(logged), mode)

    assert named in finding.observed
    assert cause in finding.cause


def test_t110_leaves_a_mean_over_all_replicas_alone():
    def mean(task, loss):
        return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.MEAN, loss)

    assert result_of("T110", lambda: Logs(mean), Mode.REPLICAS).outcome is Outcome.PASS


def test_t110_leaves_a_loss_without_its_regularisers_alone():
    def data_only(task, loss):
        return task.data

    class DataOnly(Logs):
        def build_losses(self, labels, model_outputs, aux_losses=None):
            self.data = super().build_losses(labels, model_outputs)
            return super().build_losses(labels, model_outputs, aux_losses)

    result = result_of("T110", lambda: DataOnly(data_only, weight_decay=0.01), Mode.EAGER)

    assert result.outcome is Outcome.PASS, result.message


def test_t111_names_each_entry_by_its_path():
    class Rearranges(NestedTask):
        def inference_step(self, inputs, model):
            outputs = super().inference_step(inputs, model)
            inputs["logits"] = outputs
            inputs["x"] = tf.cast(inputs["x"], tf.float16)
            return outputs

    finding = finding_of("T111", Rearranges)

    assert "after one inference_step inputs['x'] was float32[8, 8] and is float16[8, 8]" in finding.observed
    assert "inputs['logits'] is new" in finding.observed


def test_t111_shows_what_a_second_call_raises():
    class Pops(NestedTask):
        def weights(self, labels):
            return labels["extra"].pop("weight")

    finding = finding_of("T111", Pops)

    assert "inputs[1]['extra']['weight'] is gone" in finding.observed
    assert "raised KeyError: 'weight'" in finding.observed
    assert "pop" in finding.cause


def test_t111_takes_equal_values_in_another_tensor_for_untouched():
    class Copies(NestedTask):
        def forward(self, model, features, *, training):
            features["x"] = tf.identity(features["x"])
            return super().forward(model, features, training=training)

    assert result_of("T111", Copies, Mode.EAGER).outcome is Outcome.PASS


def test_t112_names_the_attribute_and_what_became_of_it():
    class Alternates(SoundTask):
        odd = True

        def replica_share(self, loss):
            self.odd = not self.odd
            return super().replica_share(loss) * (2.0 if self.odd else 1.0)

    finding = finding_of("T112", Alternates, Mode.GRAPH)

    assert "the Task's odd" in finding.observed
    assert "each time when traced" in finding.observed
    assert "the Task's odd" in finding.cause


@pytest.mark.parametrize(
    ("draw", "named"),
    [
        (lambda: np.random.uniform(0.5, 1.5), "np.random"),  # noqa: NPY002 - the global generator is what is found
        (lambda: random.uniform(0.5, 1.5), "random"),
        (lambda: np.random.default_rng().uniform(0.5, 1.5), "generator that it makes itself"),
        (lambda: 1.0 + time.time() % 1.0, "clock"),
    ],
)
def test_t112_names_the_generator(draw, named):
    class Draws(SoundTask):
        def replica_share(self, loss):
            return super().replica_share(loss) * draw()

    finding = finding_of("T112", Draws, Mode.GRAPH, random_step=True)

    assert named in finding.cause


def test_t112_leaves_random_numbers_of_tensorflow_alone():
    class Draws(SoundTask):
        def replica_share(self, loss):
            return super().replica_share(loss) * tf.random.uniform((), 0.5, 1.5)

    assert result_of("T112", Draws, Mode.GRAPH, random_step=True).outcome is Outcome.PASS


def test_t113_names_a_metric_of_keras_that_learns_its_shape():
    class Scores(SoundTask):
        def build_metrics(self, training=True):
            return [tf.keras.metrics.F1Score(name="f1")] if training else []

        def process_metrics(self, metrics, labels, model_outputs):
            for metric in metrics:
                metric.update_state(tf.one_hot(labels, 3), tf.nn.softmax(model_outputs))

    finding = finding_of("T113", Scores)

    assert "train_step made" in finding.observed
    assert "the metric 'f1'" in finding.observed
    assert "metric.build" in finding.fix


def test_t113_names_the_line_that_makes_the_variable():
    class Late(SoundTask):
        def validation_logs(self, labels, outputs, loss):
            self.seen = tf.Variable(0.0, name="seen")
            return super().validation_logs(labels, outputs, loss)

    finding = finding_of("T113", Late)

    assert "validation_step made 1 variable: seen of shape [] at test_loss_and_trace_messages.py" in finding.observed
    assert "in validation_logs" in finding.observed


class Slow(SoundTask):
    """Shrinks its outputs, so that the loss falls slowly."""

    def forward(self, model, features, *, training):
        return 0.15 * super().forward(model, features, training=training)


def test_t201_shows_what_each_optimizer_reached():
    finding = finding_of("T201", Slow, Mode.GRAPH, overfit_steps=8)

    assert "Adam(0.01): " in finding.observed
    assert "SGD(0.1): " in finding.observed
    assert "at step 8" in finding.observed
    assert "overfit_steps" in finding.fix


@pytest.mark.parametrize("traits", [{"overfit_steps": 80}, {"overfit_steps": 8, "overfit_fall": 0.02}])
def test_t201_takes_what_is_declared(traits):
    assert result_of("T201", Slow, Mode.GRAPH, **traits).outcome is Outcome.PASS


def test_t201_does_not_count_the_fall_of_regularisers():
    class DecaysOnly(SoundTask):
        def build_losses(self, labels, model_outputs, aux_losses=None):
            return super().build_losses(labels, tf.stop_gradient(model_outputs), aux_losses)

    assert result_of("T201", lambda: DecaysOnly(weight_decay=1.0), Mode.GRAPH).outcome is Outcome.FAIL


def test_t202_tells_another_order_from_other_content():
    class Reorders(SoundTask):
        def examples(self, *, training):
            order = np.random.default_rng().permutation(26) if training else np.arange(23)
            return tuple(part[order] for part in super().examples(training=training))

    class Jitters(SoundTask):
        def examples(self, *, training):
            features, labels = super().examples(training=training)
            return features + np.random.default_rng().normal(size=features.shape).astype(np.float32), labels

    order, content = finding_of("T202", Reorders), finding_of("T202", Jitters)

    assert "another order" in order.cause
    assert "inputs[1] are equal" in content.observed
    assert "inputs[0] is made anew" in content.cause


def test_t202_names_the_weights_and_not_the_others():
    class Custom(SoundTask):
        def build_model(self):
            model = super().build_model()
            model.layers[-1].bias.assign(np.random.default_rng().normal(size=3))
            return model

    finding = finding_of("T202", Custom)

    assert "1 of 4 variables differs" in finding.observed
    assert "logits/bias" in finding.cause


def test_t110_does_not_take_noise_for_a_factor():
    class Noisy(SoundTask):
        calls = 0.0

        def train_logs(self, loss):
            self.calls += 1.0
            return {"loss": loss * (1.0 + 0.004 * self.calls)}

    result = result_of("T110", Noisy, Mode.REPLICAS, random_step=True)

    assert result.outcome is not Outcome.FAIL, result.message
