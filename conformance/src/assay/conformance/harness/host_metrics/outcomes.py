"""What `result()` does, exceptions included: a metric without data can be compared with one that never had any."""

from __future__ import annotations

import dataclasses
from typing import Any

from assay.conformance.harness.host_metrics.runs import result
from assay.conformance.harness.host_metrics.scores import Scores, describe, differing
from assay.conformance.model.errors import SubjectError
from assay.conformance.tolerances import Tolerance


@dataclasses.dataclass(frozen=True, eq=False)
class Outcome:
    """What `result()` gave.

    Attributes:
      scores: The numbers; None when it raised.
      error: What it raised.
    """

    scores: Scores | None
    error: BaseException | None = None

    def difference(self, expected: Outcome, tolerance: Tolerance) -> str:
        """Return how this differs from what was expected, in words; empty when it does not."""
        if self.scores is None or expected.scores is None:
            same = self.scores is expected.scores and type(self.error) is type(expected.error)
            return "" if same else f"result() {self._said()} where a new metric {expected._said()}"
        names = differing(self.scores, expected.scores, tolerance)
        return describe(self.scores, expected.scores, names) if names else ""

    def _said(self) -> str:
        if self.scores is None:
            return f"raises {type(self.error).__name__}: {self.error}"
        shown = ", ".join(f"{name} = {value}" for name, value in list(self.scores.items())[:2])
        return f"gives {shown}"


def outcome_of(metric: Any, what: str = "result()") -> Outcome:
    """Return what a metric's `result()` gives or raises."""
    try:
        return Outcome(result(metric, what))
    except SubjectError as error:
        return Outcome(None, error.original)
