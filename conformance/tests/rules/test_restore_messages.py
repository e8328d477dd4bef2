"""Failures of the rule about restoring name the keys on both sides."""

import pytest
import tensorflow as tf
from assay.conformance.harness.flavour import default_flavour
from assay.conformance.model import Outcome
from assay.conformance.specimens import SoundTask
from assay.conformance.specimens.task import NUM_CLASSES

from conformance.tests.task_results import finding_of, result_of

pytestmark = pytest.mark.flavour


def test_t602_finds_the_statistics_of_a_layer_in_a_list_under_keras_3():
    class InAList(SoundTask):
        def build_model(self):
            class Net(tf.keras.Model):
                def __init__(self):
                    super().__init__()
                    self.blocks = [tf.keras.layers.Dense(4), tf.keras.layers.BatchNormalization(name="norm")]
                    self.head = tf.keras.layers.Dense(NUM_CLASSES)

                def call(self, inputs, training=None):
                    for block in self.blocks:
                        inputs = block(inputs)
                    return self.head(inputs)

            return Net()

    if default_flavour() == "tf_keras":
        assert result_of("T602", InAList).outcome is Outcome.PASS
        return
    finding = finding_of("T602", InAList)

    assert "norm/moving_mean" in finding.observed
    assert "no assertion of TensorFlow's says so" in finding.observed
    assert "a list or a dict" in finding.cause


def test_t602_names_keys_on_both_sides():
    class Numbered(SoundTask):
        builds = 0

        def build_model(self):
            Numbered.builds += 1
            model = super().build_model()
            setattr(model, f"offset_{Numbered.builds}", tf.Variable(1.0, trainable=False))
            return model

    finding = finding_of("T602", Numbered)

    assert "values of the checkpoint have no place: model/offset_" in finding.observed
    assert "have no value in it: model/offset_" in finding.observed


def test_t602_does_not_mind_state_that_nothing_depends_on():
    class CountsItsCalls(SoundTask):
        def __init__(self):
            super().__init__()
            self.calls = tf.Variable(0, trainable=False)

        def train_logs(self, loss):
            self.calls.assign_add(1)
            return {"loss": loss}

    assert result_of("T602", CountsItsCalls).outcome is Outcome.PASS
