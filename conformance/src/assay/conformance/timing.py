"""A time budget for one check: a component that never returns does not hold up the rest."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Iterator
from types import FrameType

from assay.conformance.model.errors import OutOfTime

DEFAULT_TIMEOUT = 300.0
"""Seconds that one check may take. Compiling a large model is slow; no rule of the suite needs a tenth of it."""

_AT_ONCE = 1e-3


@contextlib.contextmanager
def time_limit(seconds: float | None) -> Iterator[None]:
    """Raise `OutOfTime` in the block when it takes longer.

    The alarm is heard between two steps of Python code: native code that never returns is not interrupted, which
    takes a process of its own (`assay check --isolate`). Outside the main thread, and where the platform has no such
    alarm, there is no limit.

    Args:
      seconds: The budget; None or 0 for none.

    Raises:
      OutOfTime: In the block, when the budget is used up.
    """
    if not seconds or not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(number: int, frame: FrameType | None) -> None:
        raise OutOfTime(seconds)

    before = signal.signal(signal.SIGALRM, ring)
    start = time.monotonic()
    left, interval = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        if left:  # an alarm of the caller's, such as a test runner's: it goes on, and rings at once when it is late
            signal.setitimer(signal.ITIMER_REAL, max(left - (time.monotonic() - start), _AT_ONCE), interval)
