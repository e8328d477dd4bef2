from assay.conformance import Kind, Mode, NotApplicable, NotRun, Outcome, Subject, Violation
from assay.conformance.harness import calling
from assay.conformance.model import Evidence
from assay.conformance.registry import find_rule
from assay.conformance.runner import run_rule, run_subject
from assay.conformance.session import Session
from assay.conformance.specimens import SOUND_TASK, SoundTask
from conformance_builders import make_entry


def passes(ctx):
    pass


def violates(ctx):
    raise Violation("3 of 4 weights moved", cause="a slip", fix="Do not slip.")


def breaks(ctx):
    raise ZeroDivisionError("in the check")


def run(check, **fields):
    return run_rule(make_entry(check, **fields), Session(SOUND_TASK), kind=Kind.TASK)


def test_check_that_returns_passes():
    result = run(passes)

    assert (result.outcome, result.evidence, result.message) == (Outcome.PASS, Evidence.EXECUTED, "")


def test_failure_message_has_all_its_parts():
    result = run(violates)

    assert result.outcome is Outcome.FAIL
    lines = dict(line.split(":", 1) for line in result.message.splitlines())
    assert lines["Required"].strip() == "It must hold."
    assert lines["Observed"].strip() == "3 of 4 weights moved"
    assert lines["Likely cause"].strip() == "a slip"
    assert lines["Fix"].strip() == "Do not slip."
    assert lines["Replay"].strip() == result.replay


def test_broken_check_is_an_error_that_does_not_blame_the_subject():
    result = run(breaks)

    assert result.outcome is Outcome.ERROR
    assert result.evidence is Evidence.NONE
    assert "The check itself broke" in result.message
    assert "ZeroDivisionError: in the check" in result.message


def test_reasons_are_kept():
    def lifted(ctx):
        raise NotApplicable("The model has no batch statistics.")

    def absent(ctx):
        raise NotRun("There is one device.", remedy="Make two.")

    assert run(lifted).message == "The model has no batch statistics."
    assert run(lifted).outcome is Outcome.NOT_APPLICABLE
    assert run(absent).message == "There is one device. Make two."
    assert run(absent).outcome is Outcome.NOT_RUN


def test_one_broken_rule_hides_no_other():
    checks = (breaks, violates, passes)
    entries = [make_entry(check, f"T90{n}", f"made-up-{n}") for n, check in enumerate(checks)]

    results = list(run_subject(SOUND_TASK, entries, kind=Kind.TASK))

    assert [result.outcome for result in results] == [Outcome.ERROR, Outcome.FAIL, Outcome.PASS]


def test_subject_that_cannot_be_made_fails_once():
    def factory():
        raise FileNotFoundError("no labels.txt")

    gate = find_rule("T000")
    entries = [gate, make_entry(passes, modes=(Mode.EAGER, Mode.GRAPH))]

    results = list(run_subject(Subject(factory, kind=Kind.TASK), entries, gates=[gate], kind=Kind.TASK))

    assert [result.outcome for result in results] == [Outcome.FAIL, Outcome.NOT_RUN, Outcome.NOT_RUN]
    assert "the factory raised FileNotFoundError: no labels.txt" in results[0].message
    assert "test_runner.py" in results[0].message
    assert all("T000 failed" in result.message for result in results[1:])


def test_gate_that_was_not_asked_for_is_silent_when_it_passes():
    entry = make_entry(passes)

    results = list(run_subject(SOUND_TASK, [entry], gates=[find_rule("T000")], kind=Kind.TASK))

    assert [result.rule for result in results] == ["T900"]


def test_exception_shared_by_rules_is_told_in_full_once():
    def make_step():
        with calling("train_step"):
            raise ValueError("the labels are wrong")

    def check(ctx):
        ctx.share("run", make_step)

    entries = [make_entry(check, "T901", "one"), make_entry(check, "T902", "two")]

    first, second = run_subject(SOUND_TASK, entries, kind=Kind.TASK)

    assert first.outcome is second.outcome is Outcome.FAIL
    assert "the labels are wrong" in first.message
    assert "the labels are wrong" not in second.message
    assert "T901 (eager)" in second.message


def test_runs_are_shared_between_rules():
    made = []

    def check(ctx):
        ctx.share("run", lambda: made.append(1))

    entries = [make_entry(check, f"T90{n}", f"made-up-{n}") for n in range(3)]

    assert len(list(run_subject(SOUND_TASK, entries, kind=Kind.TASK))) == 3
    assert made == [1]


def test_replay_line_is_a_command_when_the_subject_can_be_imported():
    subject = Subject(SoundTask, kind=Kind.TASK)

    result = run_rule(make_entry(violates), Session(subject, seed=3), kind=Kind.TASK)

    expected = "assay check assay.conformance.specimens.task:SoundTask --kind task --select T900 --mode eager --seed 3"
    assert result.replay == expected


def test_replay_line_is_a_call_when_it_cannot():
    subject = Subject(lambda: SoundTask(), kind=Kind.TASK, name="local")

    assert run_rule(make_entry(violates), Session(subject), kind=Kind.TASK).replay.startswith("check(local, ")
