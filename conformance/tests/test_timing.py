import contextlib
import signal
import threading
import time

import pytest
from assay.conformance import Outcome
from assay.conformance.model import Kind, Subject
from assay.conformance.model.errors import OutOfTime
from assay.conformance.runner import run_rule
from assay.conformance.session import Session
from assay.conformance.specimens import SOUND_TASK
from assay.conformance.timing import time_limit
from conformance_builders import make_entry


def sleep_in_small_steps(*_):
    """As Python code that never comes to an end does, and that catches every exception it knows of."""
    for _ in range(500):
        with contextlib.suppress(Exception):
            time.sleep(0.01)


def test_check_that_takes_too_long_is_not_run_and_says_so():
    result = run_rule(make_entry(sleep_in_small_steps), Session(SOUND_TASK), kind=Kind.TASK, timeout=0.05)

    assert result.outcome is Outcome.NOT_RUN
    assert "time budget of 0.05 s" in result.message
    assert result.seconds < 3


def test_shared_work_that_took_too_long_is_not_tried_again():
    session = Session(SOUND_TASK)
    tries = []

    def check(ctx):
        ctx.share("slow", lambda: (tries.append(1), sleep_in_small_steps()))

    outcomes = [run_rule(make_entry(check), session, kind=Kind.TASK, timeout=0.05).outcome for _ in range(3)]

    assert outcomes == [Outcome.NOT_RUN] * 3
    assert len(tries) == 1


def test_alarm_is_gone_after_the_block():
    with time_limit(0.05):
        pass
    time.sleep(0.1)


def test_alarm_of_the_caller_goes_on():
    rung = []
    before = signal.signal(signal.SIGALRM, lambda *_: rung.append(1))
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    try:
        with pytest.raises(OutOfTime), time_limit(0.02):
            sleep_in_small_steps()
        assert rung == []
        time.sleep(0.4)
        assert rung == [1]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("budget", [None, 0])
def test_no_budget_is_no_limit(budget):
    with time_limit(budget):
        time.sleep(0.01)


def test_other_threads_have_no_limit_and_no_error():
    raised = []

    def work():
        try:
            with time_limit(0.01):
                time.sleep(0.05)
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()

    assert raised == []


def test_budget_is_told_to_the_block():
    with pytest.raises(OutOfTime, match=r"0\.02 s"), time_limit(0.02):
        sleep_in_small_steps()


def test_subject_of_another_kind_is_timed_too():
    entry = make_entry(sleep_in_small_steps)

    assert run_rule(entry, Session(Subject(object)), kind=Kind.LOSS, timeout=0.05).outcome is Outcome.NOT_RUN
