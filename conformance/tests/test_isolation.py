"""Subjects in processes of their own: what one does to its process stays there."""

import textwrap

import pytest
from assay.conformance import Outcome, UsageError
from assay.conformance.importing import SubjectSpec
from assay.conformance.isolation import check_isolated, parent
from assay.conformance.isolation.protocol import Request

SUBJECTS = """
    import os, signal, sys, time
    from assay.conformance import Subject
    from assay.conformance.specimens import ACCURACY_METRIC, SoundAccuracy

    print("a package that talks when it is imported")

    class Crashes(SoundAccuracy):
        def reset_state(self):
            if getattr(self, "seen", False):
                os.kill(os.getpid(), signal.SIGSEGV)
            super().reset_state()

        def update_state(self, groundtruths, predictions):
            self.seen = True
            super().update_state(groundtruths, predictions)

    class Leaves(SoundAccuracy):
        def result(self):
            os._exit(7)

    class Hangs(SoundAccuracy):
        def result(self):
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})  # as native code that never returns
            time.sleep(600)

    sound = ACCURACY_METRIC
    crashes = ACCURACY_METRIC.replace(factory=Crashes, name="crashes")
    leaves = ACCURACY_METRIC.replace(factory=Leaves, name="leaves")
    hangs = ACCURACY_METRIC.replace(factory=Hangs, name="hangs")
    both = [leaves, sound]
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "subjects.py").write_text(textwrap.dedent(SUBJECTS))
    return tmp_path


def run(folder, attribute, **options):
    spec = SubjectSpec(spec=f"subjects.py:{attribute}", folder=folder)
    return check_isolated([Request(spec=spec, **options)])


def test_sound_subject_is_conformant_and_its_notes_and_environment_arrive(folder):
    report = run(folder, "sound", select=("H101", "H103"))

    assert report.conformant
    assert [result.rule for result in report.results] == ["H101", "H103"]
    assert report.promised > 10
    assert report.environment["seed"] == 0
    assert list(report.notes) == [report.results[0].subject]


def test_death_of_a_process_fails_the_rule_that_ran_and_the_next_rules_go_on(folder):
    report = run(folder, "crashes", select=("H103", "H104", "H106"))

    outcomes = {result.rule: result.outcome for result in report.results}
    assert list(outcomes) == ["H103", "H104", "H106"]
    died = [result for result in report.results if "SIGSEGV" in result.message]
    assert died
    assert all(result.outcome is Outcome.FAIL and "Replay:" in result.message for result in died)
    assert Outcome.PASS in outcomes.values()


def test_gate_that_takes_its_process_with_it_closes_the_rest_of_that_subject_only(folder):
    report = run(folder, "both", select=("H101", "H103"))

    leaves = [(result.rule, result.outcome) for result in report.results if result.subject == "leaves"]
    others = [result.outcome for result in report.results if result.subject != "leaves"]
    assert leaves == [("H000", Outcome.FAIL), ("H101", Outcome.NOT_RUN), ("H103", Outcome.NOT_RUN)]
    assert "exit code 7" in report.failures[0].message
    assert others == [Outcome.PASS, Outcome.PASS]


def test_process_that_does_not_return_is_ended(folder, monkeypatch):
    monkeypatch.setattr(parent, "_GRACE", 1.0)

    report = run(folder, "hangs", select=("H103",), timeout=20.0)

    assert {result.outcome for result in report.results} == {Outcome.NOT_RUN}
    assert "time budget of 20 s" in report.results[0].message


def test_what_cannot_be_imported_is_a_usage_error(folder):
    with pytest.raises(UsageError, match="no attribute 'soundd'"):
        run(folder, "soundd")
