"""Rules of one subject shared with other processes: who runs what, and that the report does not tell."""

import dataclasses
import pickle

import pytest
from assay.conformance import check
from assay.conformance.context import Context
from assay.conformance.model import Kind, Mode, Outcome, Target
from assay.conformance.processes import pack, sharing
from assay.conformance.processes.sharing import Found, OtherProcesses, take_from_the_end
from assay.conformance.runner import Step
from assay.conformance.session import Session
from assay.conformance.specimens import SOUND_TASK, SoundTask
from conformance_builders import make_result

CHEAP = ("I101", "I102", "I103", "I104", "I105", "I205", "I206", "I207", "T404")
RESULT = make_result(rule=CHEAP[0], outcome=Outcome.PASS)
STEPS = [Step(rule, Mode.EAGER) for rule in CHEAP]


class _EndlessEvaluation(SoundTask):
    """Repeats the evaluation data."""

    def build_inputs(self, params, input_context=None):
        return super().build_inputs(params, input_context).repeat()


class FakeWork:
    """Another process that has ended, and has left what a test wrote for it."""

    def __init__(self, function, target, *, folder, rules, **arguments):
        self.folder, self.rules = folder, rules

    def ended(self):
        return True

    def end(self):
        pass


@pytest.fixture
def session():
    return Session(SOUND_TASK)


@pytest.fixture
def others(session, monkeypatch):
    monkeypatch.setattr(sharing, "Work", FakeWork)
    processes = OtherProcesses(session, kind=Kind.TASK, target=Target.CPU, timeout=None)
    processes.start(STEPS)
    return processes


def leave(others, step, outcome=Outcome.PASS):
    result = RESULT if outcome is Outcome.PASS else dataclasses.replace(RESULT, outcome=outcome)
    folder = others._works[0].folder
    sharing._take(folder, sharing._claim_for(step.rule))
    sharing._path_of(folder, step).write_bytes(pickle.dumps(Found(result, ("It was seen.",))))


def test_rule_that_nobody_has_claimed_is_run_here(others):
    assert others.result_of(STEPS[0]) is None
    assert not sharing._take(others._works[0].folder, STEPS[0].rule)


def test_rule_that_holds_elsewhere_is_taken_over_with_its_notes(others, session):
    leave(others, STEPS[0])

    assert others.result_of(STEPS[0]) == RESULT
    assert session.notes == ["It was seen."]


@pytest.mark.parametrize("outcome", [Outcome.FAIL, Outcome.ERROR, Outcome.NOT_RUN])
def test_anything_else_is_found_again_here(others, session, outcome):
    leave(others, STEPS[0], outcome=outcome)

    assert others.result_of(STEPS[0]) is None
    assert session.notes == []


def test_rule_of_a_process_that_died_is_run_here(others):
    sharing._take(others._works[0].folder, STEPS[0].rule)

    assert others.result_of(STEPS[0]) is None


def test_few_rules_are_handed_to_nobody(session, monkeypatch):
    monkeypatch.setattr(sharing, "Work", None)
    processes = OtherProcesses(session, kind=Kind.TASK, target=Target.CPU, timeout=None)

    processes.start(STEPS[:2])

    assert processes.result_of(STEPS[0]) is None


def test_other_process_takes_what_is_left_from_the_end(session, tmp_path):
    parcel = pack(Context(rule_id="I208", session=session))
    rules = [("I206", [Mode.EAGER]), ("I205", [Mode.EAGER]), ("I101", [Mode.EAGER])]
    sharing._take(str(tmp_path), "I205")

    take_from_the_end(parcel, Kind.TASK, rules, str(tmp_path), None)

    assert sorted(path.name for path in tmp_path.glob("*.found")) == ["I101.eager.found", "I206.eager.found"]


def test_rules_that_read_the_same_runs_are_claimed_together():
    assert sharing._claim_for("T605") == sharing._claim_for("T601")


@pytest.mark.parametrize("factory", [SoundTask, _EndlessEvaluation])
def test_report_is_the_same_with_two_processes(factory):
    def reported(jobs):
        report = check(factory, kind="task", select=CHEAP, jobs=jobs)
        return [dataclasses.replace(result, seconds=0.0) for result in report.results], report.notes

    assert reported(2) == reported(1)
