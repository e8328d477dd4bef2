"""Says how far a long evaluation is."""

import sys
import time
from collections.abc import Callable

PATIENCE = 3.0  # seconds until the first line, and between lines

Report = Callable[[str, float], None]
"""Is told what is being done and what share of it is done, in [0, 1]."""


class Progress:
    """Passes on shares of work, but not before a few seconds have gone by, and not too often.

    Args:
        report: What is told; None tells nobody.
        clock: Gives the seconds since some moment.
    """

    def __init__(self, report: Report | None, *, clock: Callable[[], float] | None = None) -> None:
        self._report = report
        self._clock = time.monotonic if clock is None else clock
        self._next = self._clock() + PATIENCE

    def of(self, what: str, start: float = 0.0, end: float = 1.0) -> Callable[[float], None]:
        """A function that takes the share of one part of the work, which goes from one share of all to another."""
        return lambda share: self._tell(what, start + share * (end - start))

    def _tell(self, what: str, share: float) -> None:
        if self._report is None:
            return
        now = self._clock()
        if now >= self._next:
            self._next = now + PATIENCE
            self._report(what, share)


def to_stderr(what: str, share: float) -> None:
    """Write a line such as `coco_metric: matching bbox, 40%` to the standard error."""
    sys.stderr.write(f"{what}, {share:.0%}\n")
    sys.stderr.flush()
