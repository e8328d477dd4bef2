import importlib

import pytest
import tensorflow as tf
from assay.conformance.harness import calling
from assay.conformance.importing import SubjectSpec
from assay.conformance.messages import replay_line, subject_error_finding
from assay.conformance.model import Kind, Mode, Subject, SubjectError, Target
from assay.conformance.specimens import SoundTask
from conformance_builders import make_rule


def finding_of(function):
    with pytest.raises(SubjectError) as caught, calling("train_step, call 1, mode graph"):
        function()
    return subject_error_finding(make_rule(), caught.value)


def test_exception_of_the_subject_is_placed_in_its_own_code():
    def step():
        raise ValueError("labels were expected to be one-hot")

    finding = finding_of(step)

    expected = "train_step, call 1, mode graph raised ValueError: labels were expected to be one-hot"
    assert finding.observed == expected
    assert "test_messages.py" in finding.cause
    assert "in step" in finding.cause


def test_exception_of_an_installed_package_is_placed_there(tmp_path, monkeypatch):
    folder = tmp_path / "site-packages"
    folder.mkdir()
    (folder / "tasks_of_somebody.py").write_text(
        "def step():\n    raise ValueError('of a package')\n\n"
        "def caught():\n    try:\n        step()\n    except ValueError as error:\n        return error\n"
    )
    monkeypatch.syspath_prepend(folder)

    error = SubjectError("train_step", importlib.import_module("tasks_of_somebody").caught())

    assert "tasks_of_somebody.py:2 in step" in subject_error_finding(make_rule(), error).cause


def test_exception_while_tracing_loses_the_listing_of_autograph():
    @tf.function
    def step():
        raise ValueError("no such key")

    finding = finding_of(step)

    assert finding.observed.endswith("raised ValueError: no such key")
    assert "test_messages.py" in finding.cause


def test_refusal_of_xla_names_the_operation_and_the_line():
    @tf.function(jit_compile=True)
    def step(x):
        return tf.strings.length(tf.strings.as_string(x))

    finding = finding_of(lambda: step(tf.constant(1)))

    assert "AsString" in finding.observed
    assert len(finding.observed) < 1000
    assert "test_messages.py" in finding.cause


def test_long_message_is_cut():
    def step():
        raise ValueError("\n".join(f"line {number}" for number in range(100)))

    finding = finding_of(step)

    assert finding.observed.endswith(" ...")
    assert "line 99" not in finding.observed


def test_process_exit_of_a_subject_is_its_failure():
    finding = finding_of(lambda: exit(3))

    assert "SystemExit" in finding.observed


def replay(subject):
    return replay_line(subject, make_rule(), kind=Kind.LOSS, target=Target.CPU, mode=Mode.EAGER, seed=3)


def test_replay_line_repeats_what_the_command_line_was_told():
    (subject,) = SubjectSpec(
        spec="assay.conformance.specimens:SoundTask", kind="task", traits={"batch_statistics": True}
    ).load()

    assert replay(subject) == (
        "assay check assay.conformance.specimens:SoundTask --trait batch_statistics=true --kind loss --select T900 "
        "--mode eager --seed 3"
    )


def test_replay_of_a_sample_that_only_python_knows_is_a_call():
    line = replay(Subject(SoundTask, sample=([0], [0])))

    assert line == "check(SoundTask, kind='loss', sample=..., select=['T900'], modes=['eager'], seed=3)"


def test_replay_of_a_class_alone_is_a_command():
    assert replay(Subject(SoundTask)).startswith("assay check assay.conformance.specimens")
