import datetime
import subprocess
import sys
import textwrap

import pytest
from assay.conformance import Expectation, Outcome, UsageError, check
from assay.conformance.model import Evidence
from assay.conformance.specimens import SOUND_TASK, SoundTask


class Broken(SoundTask):
    def train_logs(self, loss):
        return {"loss": loss, "learning_rate": 0.1}


def test_class_is_checked_by_its_inferred_kind():
    report = check(SoundTask, select=["logs-stable"], modes=["eager", "graph"])

    assert report.conformant
    assert [(r.kind, r.rule, r.mode, r.outcome) for r in report.results] == [
        ("task", "T101", "eager", Outcome.PASS),
        ("task", "T101", "graph", Outcome.PASS),
    ]


def test_violation_is_reported():
    report = check(Broken, select=["T101"], modes=["eager"])

    assert not report.conformant
    (failure,) = report.failures
    assert "learning_rate" in failure.finding.observed


def test_expectations_are_applied_by_id_or_slug():
    expectation = Expectation(rule="logs-stable", reason="to be renamed", until=datetime.date(2999, 1, 1))

    report = check(Broken, select=["T101"], modes=["eager"], expectations=[expectation])

    assert report.conformant
    assert report.results[0].outcome is Outcome.EXPECTED_FAIL


def test_results_are_told_as_they_come():
    seen = []

    report = check(SOUND_TASK, select=["T101"], modes=["eager"], on_result=seen.append)

    assert tuple(seen) == report.results


def test_target_that_is_not_here_is_stood_in_for_and_the_verdict_says_so():
    report = check(SOUND_TASK, targets=["gpu"], select=["T101"])

    found = {result.mode: (result.outcome, result.evidence) for result in report.results}
    assert found["xla"] == (Outcome.PASS, Evidence.STAND_IN)
    assert found["replicas"] == (Outcome.NOT_RUN, Evidence.NONE)
    assert report.conformant
    assert not report.verdict.complete
    assert "1 pass (1 on a stand-in)" in report.verdict.line
    assert any("no proof for a GPU: T101 (xla)" in reason for reason in report.verdict.reasons)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"select": ["T1O1"]}, "no rule 'T1O1'"),
        ({"targets": ["gpv"]}, "no target 'gpv'; the nearest is 'gpu'"),
        ({"modes": ["egaer"]}, "no mode 'egaer'; the nearest is 'eager'"),
        ({"select": ["T000"], "modes": ["replicas"]}, "No rule is left to run"),
        ({"kind": "tsk"}, "no kind 'tsk'; the nearest is 'task'"),
        ({"traits": {"mixes_examples": True}}, "belongs to subjects of kind loss"),
    ],
)
def test_what_cannot_be_done_is_a_usage_error(options, message):
    with pytest.raises(UsageError, match=message):
        check(SoundTask, **options)


def test_kind_without_rules_is_a_usage_error(monkeypatch):
    monkeypatch.setattr("assay.conformance.checking.rules_for", lambda kind: ())

    with pytest.raises(UsageError, match="no rules for subjects of kind task"):
        check(SoundTask)


def test_same_seed_gives_the_same_results():
    first, second = (check(SOUND_TASK, select=["T101"], modes=["graph"], seed=5).to_dict() for _ in range(2))
    for plain in (first, second):
        for result in plain["results"]:
            result.pop("seconds")

    assert first["results"] == second["results"]


@pytest.mark.slow
def test_too_few_devices_are_not_run_with_the_remedy():
    """In a process where TensorFlow has started with one CPU device, replica rules say so, and so does the verdict."""
    program = """
        import tensorflow as tf
        tf.constant(1.0) + 1.0
        from assay.conformance import check
        from assay.conformance.specimens import SOUND_TASK
        report = check(SOUND_TASK, select=["T101"])
        print(report.verdict.line)
        print([r.message for r in report.results if r.outcome == "not-run"])
    """

    finished = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=True
    )

    line, messages = finished.stdout.splitlines()[-2:]
    assert line.startswith("CONFORMANT AS FAR AS IT RAN: 1 of ")
    assert line.endswith("3 results: 2 pass, 1 not-run")
    assert "1 logical CPU device" in messages
    assert "assay.conformance.set_up_devices()" in messages


def test_subjects_of_the_same_name_are_told_apart():
    report = check([lambda: SoundTask(), lambda: SoundTask()], "task", select=["T101"], modes=["eager"])

    first, second = dict.fromkeys(result.subject for result in report.results)
    assert second == f"{first} (2)"
