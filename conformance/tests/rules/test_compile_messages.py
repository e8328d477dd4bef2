"""Failures of the rules about compiling name the line that made an operation, why, and what to use instead."""

import pytest
import tensorflow as tf
from assay.conformance.model import Evidence, Mode, Outcome
from assay.conformance.specimens import SoundTask

from conformance.tests.task_results import finding_of, result_of


class CallsPython(SoundTask):
    """Calls Python in a loop within a function within validation."""

    def validation_logs(self, labels, outputs, loss):
        @tf.function
        def doubled(value):
            for _ in tf.range(2):
                value = tf.ensure_shape(tf.numpy_function(lambda one: one, [value], tf.float32), [])
            return value

        return {**super().validation_logs(labels, outputs, loss), "doubled": doubled(loss)}


def test_t402_shows_the_line_that_xla_refuses_and_none_of_its_listing():
    finding = finding_of("T402", CallsPython, Mode.XLA)

    assert "XLA refuses validation_step, because it has no kernel for PyFunc" in finding.observed
    assert "at test_compile_messages.py:" in finding.observed
    assert "in doubled: `value = tf.ensure_shape(tf.numpy_function(" in finding.observed
    assert "tf2xla" not in finding.observed
    assert len(finding.observed) < 400
    assert "call Python" in finding.cause
    assert "aggregate_logs" in finding.fix


def test_t404_looks_into_functions_and_loops():
    result = result_of("T404", CallsPython, Mode.GRAPH)

    assert result.evidence is Evidence.STATIC
    assert "validation_step holds 1 operation of the host: PyFunc at test_compile_messages.py:" in result.message
    assert "inside a function, a loop or a branch" in result.message


@pytest.mark.parametrize(("rule", "mode"), [("T402", Mode.XLA), ("T404", Mode.GRAPH)])
def test_calls_of_the_host_can_be_declared(rule, mode):
    assert result_of(rule, CallsPython, mode, host_callbacks=True).outcome is Outcome.NOT_APPLICABLE


def test_t402_names_every_line_that_makes_a_shape_out_of_values():
    class Selects(SoundTask):
        def build_losses(self, labels, model_outputs, aux_losses=None):
            kept = tf.where(labels > 0)
            classes, _ = tf.unique(labels)
            loss = super().build_losses(tf.gather_nd(labels, kept), tf.gather_nd(model_outputs, kept))
            return loss / tf.cast(tf.size(classes), tf.float32)

    finding = finding_of("T402", Selects, Mode.XLA, host_callbacks=True)

    assert "in train_step a shape depends on values: Where at test_compile_messages.py:" in finding.observed
    assert "`kept = tf.where(labels > 0)`" in finding.observed
    assert "`classes, _ = tf.unique(labels)`" in finding.observed
    assert "mask" in finding.fix


def test_t402_only_compiles_a_step_that_draws_random_numbers():
    class Noisy(SoundTask):
        def forward(self, model, features, *, training):
            noise = tf.random.normal(tf.shape(features)) if training else 0.0
            return super().forward(model, features + noise, training=training)

    assert result_of("T402", Noisy, Mode.XLA).outcome is Outcome.PASS


def test_t404_accepts_assertions():
    class Asserts(SoundTask):
        def forward(self, model, features, *, training):
            tf.debugging.assert_all_finite(features, "features")
            tf.debugging.assert_less(tf.reduce_max(features), 1e6)
            return super().forward(model, features, training=training)

    assert result_of("T404", Asserts, Mode.GRAPH).outcome is Outcome.PASS
