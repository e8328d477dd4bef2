"""From a subject to a report: what the checks call is bundled, and replayed on the CPU of jax it is the same."""

import json

import jsonschema
import numpy as np
import pytest
import tensorflow as tf
from assay.conformance import Subject, UsageError
from assay.conformance.bundles.folder import Folder
from assay.conformance.bundles.making import make_bundle
from assay.conformance.bundles.manifest import STATE
from assay.conformance.model import Kind
from assay.conformance.replay.report import replay_schema
from assay.conformance.specimens import HIT_RATE, SCALAR_MANAGER, SoundTask
from replay_builders import LABELS, LOGITS, LOSS, replay_in

pytest.importorskip("jax")

VALIDATOR = jsonschema.Draft202012Validator(replay_schema())


def report_of(folder):
    report = json.loads((folder / "replay-cpu.json").read_text())
    VALIDATOR.validate(report)
    return report


def dropout_task():
    return SoundTask(dropout=0.5)


@pytest.fixture(scope="module")
def loss_bundle(tmp_path_factory):
    path = tmp_path_factory.mktemp("bundles") / "loss"
    make_bundle(LOSS.replace(kind=Kind.LOSS), path, select=["L402", "L304"])
    return path


@pytest.fixture(scope="module")
def task_bundle(tmp_path_factory):
    path = tmp_path_factory.mktemp("bundles") / "task"
    make_bundle(Subject(dropout_task, kind=Kind.TASK, name="dropout task"), path)
    return path


def all_arrays(folder, program, digests, tensors):
    return [folder.array(one, tensor) for one, tensor in zip(digests, tensors, strict=True)]


def test_loss_in_the_bundle_is_the_loss(loss_bundle):
    folder = Folder(loss_bundle)
    checked = 0
    for program in folder.manifest.programs:
        for case in program.cases:
            y_true, y_pred = all_arrays(folder, program, case.inputs, program.inputs)[:2]
            found = all_arrays(folder, program, case.outputs, program.outputs)[0]
            if len(program.inputs) == 2 and found.ndim == 0:
                expected = np.mean(np.logaddexp(0.0, -(2.0 * y_true - 1.0) * y_pred.astype(np.float64)))
                assert found == pytest.approx(expected, rel=1e-5, abs=1e-7)
                reference = folder.array(case.references[0], program.outputs[0], "float64")
                assert reference == pytest.approx(expected, rel=1e-7)  # softplus takes a shortcut beyond 14
                checked += 1

    assert checked >= 9  # three sizes of logits, three kinds


def test_loss_bundle_speaks_for_the_rules_that_were_selected(loss_bundle):
    manifest = Folder(loss_bundle).manifest

    assert {rule for program in manifest.programs for case in program.cases for rule in case.rules} == {"L304", "L402"}
    assert manifest.subject == {"name": "tiny", "origin": manifest.subject["origin"], "kind": "loss"}
    assert {"jax", "jaxlib", "tensorflow", "numpy"} <= set(manifest.made_with)


def test_replayed_loss_agrees_and_the_report_is_valid(loss_bundle, capsys):
    assert replay_in(loss_bundle) == 0

    report = report_of(loss_bundle)
    cases = [case for program in report["bundles"][0]["programs"] for case in program["cases"]]
    assert {case["verdict"] for case in cases} == {"pass"}
    assert report["device"]["platform"] == "cpu"
    assert report["products"] == {
        "mode": "program",
        "arithmetic": "float32",
        "how": "float32, as the CPU always does",
    }
    assert all(one["compile_seconds"] > 0 and one["runs"] == 1 for one in report["bundles"][0]["programs"])
    assert "tiny (loss)" in capsys.readouterr().out


def test_second_bundle_has_the_same_calls(loss_bundle, tmp_path):
    from assay.conformance.bundles.manifest import calls_by_rule

    make_bundle(LOSS.replace(kind=Kind.LOSS), tmp_path / "again", select=["L402"], references=False)

    first, second = (calls_by_rule(Folder(one).manifest.programs) for one in (loss_bundle, tmp_path / "again"))
    assert first["L402"] == second["L402"]


def test_changed_result_of_a_bundle_is_reported_as_failing(tmp_path, capsys):
    """The CPU of the bundle says 3 and 5; every device says 3 and 4."""
    from replay_builders import small_bundle

    folder = small_bundle(tmp_path / "bundle", expected=(3.0, 5.0))

    assert replay_in(folder) == 1
    (program,) = report_of(folder)["bundles"][0]["programs"]
    assert program["verdict"] == "fail"
    assert program["results"][0]["max_abs"] == 1.0
    assert program["cases"][0]["said"].startswith(
        "output 0 is 0.2 of its largest value away from the CPU, and 1.02e-05"
    )
    assert "FAIL" in capsys.readouterr().out


def test_metric_is_replayed_with_its_state(tmp_path):
    make_bundle(HIT_RATE.replace(kind=Kind.KERAS_METRIC), tmp_path / "metric", select=["K402"])

    assert replay_in(tmp_path / "metric") == 0
    report = report_of(tmp_path / "metric")
    programs = {one["name"].split(" of ")[0]: one for one in report["bundles"][0]["programs"]}
    assert {"update_state", "result"} <= set(programs)
    assert {one["role"] for one in programs["update_state"]["results"]} == {"state"}
    assert [one["role"] for one in programs["result"]["results"]] == ["value"]
    assert len(programs["update_state"]["cases"]) >= 3


@pytest.mark.flavour
def test_train_step_with_dropout_is_replayed_where_its_random_numbers_are_a_function_of_its_state(task_bundle):
    assert replay_in(task_bundle) == 0

    programs = report_of(task_bundle)["bundles"][0]["programs"]
    verdicts = {one["name"].split(" of ")[0]: [] for one in programs}
    for one in programs:
        verdicts[one["name"].split(" of ")[0]].append(one["verdict"])
    drawn = [one for one in Folder(task_bundle).manifest.programs if one.own_generator]
    if drawn:  # Dropout of tf_keras draws from the platform's own generator
        assert sorted(verdicts["train_step"]) == ["not-run", "pass"]
    else:
        assert set(verdicts["train_step"]) == {"pass"}
    assert set(verdicts["validation_step"]) == {"pass"}


def test_train_step_updates_whole_numbers_of_64_bits_too(task_bundle):
    (program, *_) = [one for one in Folder(task_bundle).manifest.programs if one.name.startswith("train_step")]

    counters = [one for one in program.outputs if one.role == STATE and one.dtype == "int64"]
    assert counters
    assert all(program.inputs[one.updates].shape == one.shape for one in counters)


@pytest.mark.parametrize("mode", ["tensorfloat32", "bfloat16"])
def test_task_passes_in_other_arithmetic_by_its_tolerances(task_bundle, mode, tmp_path):
    assert replay_in(task_bundle, "--matmul-precision", mode, "--json", str(tmp_path / "report.json")) == 0

    report = json.loads((tmp_path / "report.json").read_text())
    VALIDATOR.validate(report)
    assert report["products"]["arithmetic"] == mode
    assert all(one["products"] > 0 for one in report["bundles"][0]["programs"])


def test_rule_that_fails_here_is_left_out_with_the_reason(tmp_path):
    class CallsPython(tf.keras.losses.Loss):
        def call(self, y_true, y_pred):
            return tf.reduce_mean(tf.numpy_function(np.square, [y_pred - y_true], tf.float32), axis=-1)

    subject = Subject(CallsPython, sample=(LABELS, LOGITS), kind=Kind.LOSS)

    with pytest.raises(UsageError, match=r"Nothing of .*CallsPython can be exported\. L402: fail: "):
        make_bundle(subject, tmp_path / "bundle", select=["L402"])
    assert not (tmp_path / "bundle").exists()


def test_kind_without_compiled_functions_is_refused(tmp_path):
    with pytest.raises(UsageError, match="is a summary manager, which runs no compiled functions"):
        make_bundle(SCALAR_MANAGER.replace(kind=Kind.SUMMARY_MANAGER), tmp_path / "bundle")
