"""Failures of the rule about loss scaling name the scale, or the line where float16 meets float32."""

import pytest
import tensorflow as tf
from assay.conformance.harness.flavour import default_flavour
from assay.conformance.model import Kind, Mode, Outcome, Subject
from assay.conformance.registry import find_rule
from assay.conformance.runner import run_rule
from assay.conformance.session import Session
from assay.conformance.specimens import SoundTask
from assay.conformance.specimens.task import NUM_CLASSES

from conformance.tests.subjects.tasks.runs import ScalesByThePolicy
from conformance.tests.task_results import finding_of

pytestmark = pytest.mark.flavour


@pytest.mark.parametrize("mode", [Mode.EAGER, Mode.MIXED_PRECISION])
def test_t105_names_the_loss_scale_as_the_factor(mode):
    class NeverUnscales(SoundTask):
        def unscale(self, optimizer, gradients):
            return gradients

        def apply(self, optimizer, gradients, variables):
            super().apply(getattr(optimizer, "inner_optimizer", optimizer), gradients, variables)

    finding = finding_of("T105", NeverUnscales, mode)

    factor = float(finding.observed.partition("the update is ")[2].split()[0])
    assert factor == pytest.approx(2.0**10 if mode is Mode.EAGER else 2.0**15, rel=0.01)
    assert "never unscaled" in finding.cause


def test_t105_says_that_a_step_never_scales():
    class NeverScales(SoundTask):
        def scale(self, optimizer, loss):
            return loss

    finding = finding_of("T105", NeverScales)

    assert "never scales the loss" in finding.cause


def test_t105_says_where_float16_meets_float32():
    class Uncast(SoundTask):
        def forward(self, model, features, *, training):
            return model(features, training=training)

        def build_losses(self, labels, model_outputs, aux_losses=None):
            return tf.reduce_mean(tf.square(model_outputs - tf.one_hot(labels, NUM_CLASSES)))

    finding = finding_of("T105", Uncast, Mode.MIXED_PRECISION)

    assert "float16 outputs or losses" in finding.cause
    assert "test_loss_scale_messages.py" in finding.cause
    assert "in build_losses" in finding.cause


def test_t105_is_lifted_in_float32_for_a_step_that_scales_by_the_policy():
    session = Session(Subject(ScalesByThePolicy, kind=Kind.TASK))
    eager, mixed = (
        run_rule(find_rule("T105"), session, kind=Kind.TASK, mode=mode) for mode in (Mode.EAGER, Mode.MIXED_PRECISION)
    )

    # tf_keras divides nothing by itself, so that a step which does not scale is not wrong there.
    assert eager.outcome is (Outcome.PASS if default_flavour() == "tf_keras" else Outcome.NOT_APPLICABLE)
    assert mixed.outcome is Outcome.PASS
