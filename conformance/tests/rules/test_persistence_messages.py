"""A failure of a rule about persistence names what was lost; what is sound in another way is not blamed."""

import dataclasses
import threading
import types

import pytest
import tensorflow as tf
from absl import logging as absl_logging
from assay.conformance.harness.flavour import default_flavour
from assay.conformance.model import Kind, Mode, Outcome, Subject
from assay.conformance.registry import find_rule
from assay.conformance.runner import run_rule
from assay.conformance.session import Session
from assay.conformance.specimens import SoundTask

pytestmark = pytest.mark.flavour


def result_of(rule, factory, mode=Mode.EAGER, **traits):
    subject = Subject(factory, kind=Kind.TASK, traits=traits)
    return run_rule(find_rule(rule), Session(subject), kind=Kind.TASK, mode=mode)


def finding_of(rule, factory, mode=Mode.EAGER, **traits):
    result = result_of(rule, factory, mode, **traits)
    assert result.outcome is Outcome.FAIL, result.message
    return result.finding


class Changes(SoundTask):
    """Changes its training data."""

    def __init__(self, change):
        super().__init__()
        self.change = change

    def build_inputs(self, params, input_context=None):
        dataset = super().build_inputs(params, input_context)
        return self.change(dataset) if params.is_training else dataset


class Initialised(SoundTask):
    """Loads as a function says."""

    def __init__(self, load, config=None):
        super().__init__()
        self.load = load
        self.task_config = config or types.SimpleNamespace(init_checkpoint="")

    def build_model(self):
        model = super().build_model()
        model.checkpoint_items = {"backbone": model.layers[0], "head": model.layers[1]}
        return model

    def initialize(self, model):
        if self.task_config.init_checkpoint:
            self.load(model, self.task_config.init_checkpoint)


def strictly(path, **parts):
    tf.train.Checkpoint(**parts).read(path).expect_partial().assert_existing_objects_matched()


def load_backbone(model, path):
    strictly(path, backbone=model.layers[0])


def test_t601_names_the_operation_and_the_line_of_a_pipeline_that_cannot_be_saved():
    def flip(x, y):
        return tf.cond(tf.random.uniform([]) < 0.5, lambda: x, lambda: -x), y

    finding = finding_of("T601", lambda: Changes(lambda data: data.map(flip)), Mode.GRAPH)

    assert "its operation RandomUniform keeps a state" in finding.observed
    assert "Map: test_persistence_messages.py:" in finding.observed
    assert "stateless" in finding.fix


def test_t601_passes_a_pipeline_with_stateless_noise():
    def augmented(data):
        def add(index, pair):
            return pair[0] + tf.random.stateless_normal(tf.shape(pair[0]), [1, tf.cast(index, tf.int32)]), pair[1]

        return data.enumerate().map(lambda index, pair: add(index, pair))

    result = result_of("T601", lambda: Changes(augmented), Mode.GRAPH)

    assert result.outcome is Outcome.PASS, result.message


def test_t601_blames_dropout_that_draws_from_the_stateful_generator():
    def factory():
        return SoundTask(dropout=0.5)

    if default_flavour() == "keras":
        assert result_of("T601", factory, Mode.GRAPH).outcome is Outcome.PASS
        return
    finding = finding_of("T601", factory, Mode.GRAPH)

    assert "with the same variables and the same batches, the logs of step 3 differ (loss: " in finding.observed
    assert "RandomUniform (" in finding.cause
    assert "enable_tf_random_generator" in finding.fix
    assert result_of("T601", factory, Mode.GRAPH, random_step=True).outcome is Outcome.PASS


def test_t601_names_the_attribute_that_holds_the_lost_state():
    class Averages(SoundTask):
        def build_model(self):
            self.average = tf.Variable(1.0, trainable=False)
            return super().build_model()

        def replica_share(self, loss):
            self.average.assign(0.5 * self.average + 0.5 * tf.stop_gradient(loss))
            return super().replica_share(loss) / self.average

    finding = finding_of("T601", Averages, Mode.GRAPH)

    assert "4 of 4 trainable weights differ" in finding.observed
    assert finding.cause.endswith("changes variables that no checkpoint holds: self.average")


def test_t601_names_what_each_replica_holds_for_itself():
    class Drifts(SoundTask):
        def build_model(self):
            model = super().build_model()
            self.mean = model.mean_feature = tf.Variable(0.0, trainable=False, name="mean_feature")
            return model

        def forward(self, model, features, *, training):
            if training:
                self.mean.assign(0.5 * self.mean + 0.5 * tf.reduce_mean(features))
            return super().forward(model, features - self.mean, training=training)

    finding = finding_of("T601", Drifts, Mode.REPLICAS)

    assert "in a new build, on two replicas" in finding.observed
    assert "each replica holds a value of its own of " in finding.cause
    assert "mean_feature" in finding.cause


def test_t601_does_not_run_for_a_subject_that_no_other_process_can_make():
    lock = threading.Lock()

    result = result_of("T601", lambda: SoundTask() if lock else None, Mode.GRAPH)

    assert result.outcome is Outcome.NOT_RUN
    assert "Give the factory a name in a module" in result.message


@pytest.mark.parametrize("mends", ["features", "gradients"])
def test_t603_passes_a_step_that_recovers(mends):
    class Recovers(SoundTask):
        def forward(self, model, features, *, training):
            if mends == "features":
                features = tf.where(tf.math.is_finite(features), features, 0.0)
            return super().forward(model, features, training=training)

        def unscale(self, optimizer, gradients):
            gradients = super().unscale(optimizer, gradients)
            return [tf.where(tf.math.is_finite(gradient), gradient, 0.0) for gradient in gradients]

    assert result_of("T603", Recovers).outcome is Outcome.PASS


def test_t603_passes_a_step_that_raises_and_says_why_mixed_precision_does_not_apply():
    class Raises(SoundTask):
        def build_losses(self, labels, model_outputs, aux_losses=None):
            loss = super().build_losses(labels, model_outputs, aux_losses)
            return tf.debugging.check_numerics(loss, "the loss")

        def forward(self, model, features, *, training):
            return model(features, training=training) * tf.constant(1.0)

    assert result_of("T603", Raises).outcome is Outcome.PASS
    result = result_of("T603", Raises, Mode.MIXED_PRECISION)
    assert result.outcome in (Outcome.PASS, Outcome.NOT_APPLICABLE)


def test_t603_finds_state_that_the_poison_stays_in():
    class KeepsALevel(SoundTask):
        def __init__(self):
            super().__init__()
            self.level = tf.Variable(1.0, trainable=False)

        def train_step(self, inputs, model, optimizer, metrics=None):
            features, labels = inputs
            self.level.assign(0.9 * self.level + 0.1 * tf.reduce_mean(features))
            clean = tf.where(tf.math.is_finite(features), features, 0.0)
            logs = super().train_step((clean, labels), model, optimizer, metrics)
            return {self.loss: logs[self.loss] + 0.0 * self.level}

    finding = finding_of("T603", KeepsALevel)

    assert "the next step, on a clean batch, logs nan" in finding.observed


def test_t604_names_how_often_a_step_applies():
    class Thrice(SoundTask):
        def apply(self, optimizer, gradients, variables):
            for _ in range(3):
                super().apply(optimizer, gradients, variables)

    finding = finding_of("T604", Thrice, Mode.GRAPH)

    assert "1 by 3, 2 by 6, 5 by 15" in finding.observed
    assert finding.cause == "each step applies gradients 3 times"


def test_t606_says_what_was_fixed_and_which_line_calls_python():
    class Fixed(SoundTask):
        def inference_step(self, inputs, model):
            return tf.reshape(super().inference_step(inputs, model), [int(inputs.shape[0]), -1])

    finding = finding_of("T606", Fixed)

    assert "for a batch of unknown size raised TypeError" in finding.observed
    assert "in user code" not in finding.observed


def test_t606_does_not_compare_answers_that_are_drawn():
    class Draws(SoundTask):
        def inference_step(self, inputs, model):
            logits = super().inference_step(inputs, model)
            return logits + tf.random.normal(tf.shape(logits))

    assert result_of("T606", Draws, random_inference=True).outcome is Outcome.PASS


def test_t607_passes_what_loads_a_part_and_says_so_in_its_configuration_or_has_no_word_for_it():
    for fields in ({}, {"init_checkpoint_modules": "backbone"}, {"init_checkpoint_modules": ["backbone"]}):
        config = types.SimpleNamespace(init_checkpoint="", **fields)
        result = result_of("T607", lambda config=config: Initialised(load_backbone, config))
        assert result.outcome is Outcome.PASS, result.message


def test_t607_names_the_part_that_is_claimed_and_not_loaded():
    config = types.SimpleNamespace(init_checkpoint="", init_checkpoint_modules=["backbone", "head"])

    finding = finding_of("T607", lambda: Initialised(load_backbone, config))

    assert "init_checkpoint_modules is ['backbone', 'head']" in finding.observed
    assert "2 of 4 variables keep other values: " in finding.observed
    assert "logits/kernel" in finding.observed


def test_t607_accepts_a_word_instead_of_an_exception():
    def load(model, path):
        try:
            strictly(path, model=model)
        except Exception as error:
            absl_logging.warning("Not loaded: %s", error)

    assert result_of("T607", lambda: Initialised(load)).outcome is Outcome.PASS


def test_t607_reads_a_frozen_configuration_and_does_not_judge_another_form_of_checkpoint():
    @dataclasses.dataclass(frozen=True)
    class Config:
        init_checkpoint: str = ""

    def load_weights_file(model, path):
        model.load_weights(f"{path}.weights.h5")

    assert result_of("T607", lambda: Initialised(load_backbone, Config())).outcome is Outcome.PASS
    result = result_of("T607", lambda: Initialised(load_weights_file, Config()))
    assert result.outcome is Outcome.NOT_APPLICABLE
    assert "another form of checkpoint" in result.message
