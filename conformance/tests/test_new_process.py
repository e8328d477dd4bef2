"""Work in a new process: what goes there, what comes back, and what becomes of a process that dies."""

import os
import signal
import sys
import threading

import numpy as np
import pytest
from assay.conformance.context import Context
from assay.conformance.importing import load_subjects
from assay.conformance.messages import subject_error_finding
from assay.conformance.model import Kind, Mode, NotApplicable, NotRun, Subject, SubjectError, Target, Violation
from assay.conformance.processes import run_in_new_process
from assay.conformance.processes.carrying import pack, unpack
from assay.conformance.session import Session
from assay.conformance.specimens import SOUND_TASK, SoundTask
from conformance_builders import make_rule

MEMORY = {"seen": "by nobody"}


def recall(given):
    return MEMORY["seen"], given * 2, os.getpid()


def raise_what(what):
    if what == "subject":
        try:
            return int("not a number")
        except ValueError as error:
            raise SubjectError("reading a number", error) from error
    raise {
        "violation": Violation("seen", cause="why", fix="how"),
        "not applicable": NotApplicable("no reason"),
        "not run": NotRun("no device.", remedy="Buy one."),
        "error": KeyError("a defect"),
    }[what]


def die(how):
    if how == "leave":
        os._exit(3)
    os.kill(os.getpid(), signal.SIGKILL)


def make_there(parcel):
    ctx = unpack(parcel)
    return type(ctx.subject.factory()).__name__, ctx.seed, str(ctx.mode), dict(ctx.subject.traits)


def in_new_process(function, **arguments):
    return run_in_new_process(function, Target.CPU, "working there", **arguments)


def context(subject):
    return Context(rule_id="T601", session=Session(subject, seed=5), mode=Mode.GRAPH)


def test_new_process_gets_arguments_and_nothing_of_this_memory(monkeypatch):
    monkeypatch.setitem(MEMORY, "seen", "by the parent")

    seen, twice, process = in_new_process(recall, given=np.arange(3))

    assert seen == "by nobody"
    assert twice.tolist() == [0, 2, 4]
    assert process != os.getpid()


def test_each_piece_of_work_has_a_process_of_its_own():
    assert in_new_process(recall, given=1)[2] != in_new_process(recall, given=1)[2]


@pytest.mark.parametrize(
    ("what", "raised", "says"),
    [
        ("violation", Violation, "seen"),
        ("not applicable", NotApplicable, "no reason"),
        ("not run", NotRun, "no device. Buy one."),
        ("error", RuntimeError, "KeyError: 'a defect'"),
    ],
)
def test_what_is_raised_there_is_raised_here(what, raised, says):
    with pytest.raises(raised, match=says):
        in_new_process(raise_what, what=what)


def test_exception_of_the_subject_keeps_its_type_its_message_and_its_line():
    with pytest.raises(SubjectError) as caught:
        in_new_process(raise_what, what="subject")

    finding = subject_error_finding(make_rule(), caught.value)
    assert "reading a number, in a new process raised ValueError: invalid literal" in finding.observed
    assert "Traceback" not in finding.observed
    assert "test_new_process.py" in finding.cause


@pytest.mark.parametrize(("how", "says"), [("leave", "exit code 3"), ("kill", "died of SIGKILL")])
def test_process_that_dies_is_the_subjects_failure_and_the_next_one_works(how, says):
    with pytest.raises(SubjectError, match=says):
        in_new_process(die, how=how)

    assert in_new_process(recall, given=2)[1] == 4


def test_subject_is_carried_by_name_with_its_seed_mode_and_traits():
    subject = SOUND_TASK.replace(traits={"random_step": True})

    made = in_new_process(make_there, parcel=pack(context(subject)))

    assert made == ("SoundTask", 5, "graph", {"random_step": True})


def test_local_class_and_lambda_are_carried_by_value():
    class Local(SoundTask):
        pass

    for factory in (Local, lambda: Local(dropout=0.5)):
        parcel = pack(context(Subject(factory, kind=Kind.TASK)))
        assert in_new_process(make_there, parcel=parcel)[0] == "Local"


def test_subject_that_cannot_be_carried_is_not_run_and_says_why():
    lock = threading.Lock()

    with pytest.raises(NotRun, match="Give the factory a name in a module") as caught:
        pack(context(Subject(lambda: lock, kind=Kind.TASK)))

    assert "lock" in caught.value.reason


def test_subject_that_cannot_be_pickled_is_carried_by_its_origin(tmp_path, monkeypatch):
    source = "import threading\nlock = threading.Lock()\n\nfactory = lambda: (lock, 1)\n"
    (tmp_path / "subjects_with_a_lock.py").write_text(source)
    monkeypatch.chdir(tmp_path)
    (subject,) = load_subjects("subjects_with_a_lock.py:factory", kind=Kind.TASK)
    monkeypatch.delitem(sys.modules, "subjects_with_a_lock")

    assert unpack(pack(context(subject))).subject.factory()[1] == 1
