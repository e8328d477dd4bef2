"""Rules on a target whose device is not here: what is static, compiled, stood in for, or not run."""

import importlib.metadata

import numpy as np
import pytest
import tensorflow as tf
from assay.conformance import Outcome, Subject, check
from assay.conformance.model import Evidence, Mode, Target
from assay.conformance.registry import all_rules, find_rule
from assay.conformance.runner import run_rule
from assay.conformance.session import Session
from assay.conformance.specimens import CROSS_ENTROPY, HIT_RATE, SOUND_TASK, SoundHuber
from assay.conformance.targets.carrying_out import modes_of

pytestmark = pytest.mark.skipif(bool(tf.config.list_physical_devices("GPU")), reason="there is a GPU here")
needs_compiler = pytest.mark.skipif(
    not {"jax", "libtpu"} <= {one.metadata["Name"] for one in importlib.metadata.distributions()},
    reason="the extra tpu is not installed",
)
SAMPLE = (np.zeros([4, 3], np.float32), np.linspace(-1, 1, 12, dtype=np.float32).reshape(4, 3))


class Spectral(SoundHuber):
    """Goes through numbers that a TPU does not have."""

    def call(self, y_true, y_pred):
        spectrum = tf.signal.fft(tf.cast(y_pred - y_true, tf.complex128))
        return super().call(y_true, y_pred) + tf.cast(tf.reduce_mean(tf.abs(spectrum), axis=-1), tf.float32)


class CallsPython(SoundHuber):
    def call(self, y_true, y_pred):
        return super().call(y_true, y_pred) + tf.reduce_sum(tf.numpy_function(np.zeros_like, [y_pred], tf.float32))


def run(rule, subject, target, mode=Mode.XLA):
    session = Session(subject)
    entry = find_rule(rule)
    return run_rule(entry, session, kind=subject.kind, target=target, mode=mode)


def test_values_are_looked_at_in_one_mode_and_replicas_are_not_run():
    rule = find_rule("T101").rule

    assert modes_of(rule, Target.CPU) == rule.modes
    assert modes_of(rule, Target.TPU) == (Mode.XLA, Mode.REPLICAS)
    assert modes_of(find_rule("L501").rule, Target.GPU) == (Mode.REPLICAS,)
    assert modes_of(find_rule("L109").rule, Target.TPU) == (Mode.GRAPH,)
    assert modes_of(find_rule("T402").rule, Target.TPU) == (Mode.XLA, Mode.MIXED_PRECISION, Mode.REPLICAS)
    assert modes_of(find_rule("T402").rule, Target.GPU) == (Mode.XLA,)


def test_value_is_stood_in_for_by_xla():
    found = run("L302", CROSS_ENTROPY, Target.TPU)

    assert (found.outcome, found.evidence) == (Outcome.PASS, Evidence.STAND_IN)
    assert (found.target, found.mode) == ("tpu", "xla")


def test_replicas_are_not_run_and_the_reason_is_given():
    found = run("L501", CROSS_ENTROPY, Target.TPU, Mode.REPLICAS)

    assert (found.outcome, found.evidence) == (Outcome.NOT_RUN, Evidence.NONE)
    assert "There is no TPU here" in found.message


def test_run_that_another_rule_had_compiled_before_stands_behind_this_one_too():
    report = check(SOUND_TASK, targets=["gpu"], select=["T101", "T102"])

    seen = {(result.rule, result.mode): (result.outcome, result.evidence) for result in report.results}
    assert seen["T101", "xla"] == (Outcome.PASS, Evidence.STAND_IN)
    assert seen["T102", "xla"] == (Outcome.PASS, Evidence.STAND_IN)


def test_metric_that_was_counted_op_by_op_before_is_counted_again_by_xla():
    report = check(HIT_RATE, targets=["cpu", "gpu"], select=["K105", "K201", "K204"])

    seen = {(result.rule, result.target): (result.outcome, result.evidence) for result in report.results}
    assert seen["K201", "cpu"] == (Outcome.PASS, Evidence.EXECUTED)
    assert seen["K201", "gpu"] == seen["K204", "gpu"] == (Outcome.PASS, Evidence.STAND_IN)


def test_check_that_compiles_nothing_says_nothing_of_a_device_that_is_not_here():
    found = run("T202", SOUND_TASK.replace(kind=find_rule("T202").rule.kind), Target.GPU)

    assert found.outcome is Outcome.NOT_RUN
    assert "compiles nothing" in found.message


@pytest.mark.parametrize(
    ("rule", "name", "target"),
    [
        ("T104", "applies the gradients twice", Target.GPU),
        ("T107", "training mode in graphs", Target.GPU),
        ("T108", "inference mode in graphs", Target.GPU),
        ("T601", "counts steps in the Task", Target.TPU),
        ("T603", "hides NaN in the loss", Target.GPU),
    ],
)
def test_wrong_task_is_seen_without_the_device(rule, name, target):
    entry = find_rule(rule)
    (mutant,) = (one for one in entry.mutants if one.name == name)

    found = run_rule(entry, Session(mutant), kind=entry.rule.kind, target=target, mode=Mode.XLA)

    assert (found.outcome, found.evidence) == (Outcome.FAIL, Evidence.STAND_IN), found.message


@needs_compiler
@pytest.mark.parametrize(("rule", "subject"), [("L402", CROSS_ENTROPY), ("K402", HIT_RATE), ("T402", SOUND_TASK)])
def test_compiler_of_the_tpu_is_asked_and_its_figures_are_noted(rule, subject):
    found = run(rule, subject.replace(kind=find_rule(rule).rule.kind), Target.TPU)

    assert (found.outcome, found.evidence) == (Outcome.PASS, Evidence.COMPILED), found.message
    assert all("v5e:2x2 by libtpu" in note and "floating-point operations" in note for note in found.notes)


@needs_compiler
def test_what_the_tpu_compiler_refuses_fails_with_compiled_evidence():
    found = run("L402", Subject(Spectral, SAMPLE, kind="loss"), Target.TPU)

    assert (found.outcome, found.evidence) == (Outcome.FAIL, Evidence.COMPILED)
    assert "a TPU does not have this operation in complex128, at FFT at test_absent_targets.py" in found.message
    assert "spectrum = tf.signal.fft" in found.message


def test_missing_compiler_leaves_a_stand_in_and_says_how_to_get_the_real_thing(monkeypatch):
    def version(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", version)

    found = run("L402", CROSS_ENTROPY, Target.TPU)

    assert (found.outcome, found.evidence) == (Outcome.PASS, Evidence.STAND_IN)
    assert any("pip install 'assay-conformance[tpu]'" in note for note in found.notes)


def test_kernels_are_looked_up_for_a_gpu():
    found = run("L402", CROSS_ENTROPY, Target.GPU)

    assert (found.outcome, found.evidence) == (Outcome.PASS, Evidence.STATIC)


def test_subject_that_does_not_compile_fails_one_rule_and_leaves_the_others_not_run():
    report = check(Subject(CallsPython, SAMPLE, kind="loss"), targets=["tpu"], select=["L402", "L302", "L101"])

    outcomes = {result.rule: result.outcome for result in report.results}
    assert outcomes == {"L101": Outcome.NOT_RUN, "L302": Outcome.NOT_RUN, "L402": Outcome.FAIL}
    (failure,) = report.failures
    assert "XLA refuses the loss with its gradients, because it has no kernel for PyFunc" in failure.message
    assert "test_absent_targets.py" in failure.message


@pytest.mark.slow
@pytest.mark.parametrize(
    "entry",
    [
        entry
        for entry in all_rules()
        if entry.rule.kind in ("loss", "keras_metric")
        and Target.CPU in entry.rule.targets
        and Target.TPU in entry.rule.targets
        and Mode.XLA in modes_of(entry.rule, Target.TPU)
        and not entry.rule.gate
    ],
    ids=lambda entry: entry.rule.id,
)
def test_mutants_of_rules_that_speak_of_a_tpu_are_seen_by_the_stand_in_too(entry):
    seen = []
    for mutant in entry.mutants:
        found = run_rule(entry, Session(mutant), kind=mutant.kind or entry.rule.kind, target=Target.TPU, mode=Mode.XLA)
        assert found.outcome is not Outcome.ERROR, found.message
        seen.append(found.outcome)

    assert Outcome.FAIL in seen, seen
