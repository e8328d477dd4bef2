"""Signals become a request that the loops look at."""

import os
import signal
import threading

import pytest
from assay.core.interruption import StopRequest, stopping_on


def test_signal_makes_a_request_and_the_handler_is_given_back():
    before = signal.getsignal(signal.SIGTERM)

    with stopping_on(signal.SIGTERM) as stop:
        assert not stop.requested
        os.kill(os.getpid(), signal.SIGTERM)
        assert (stop.requested, stop.signal) == (True, signal.SIGTERM)

    assert signal.getsignal(signal.SIGTERM) is before


def test_second_ctrl_c_interrupts_at_once():
    with stopping_on(signal.SIGINT) as stop:
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.requested

        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_request_is_told_once():
    told = []
    stop = StopRequest(told.append)

    stop.request(2)
    stop.request(15)

    assert told == [2]


def test_other_threads_leave_the_handlers_alone():
    seen = []

    def work():
        with stopping_on(signal.SIGTERM) as stop:
            seen.append((stop.requested, signal.getsignal(signal.SIGTERM)))

    before = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()

    assert seen == [(False, before)]
