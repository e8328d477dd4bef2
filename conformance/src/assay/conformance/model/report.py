"""A report: all results of a run, what they ran on, and the verdict over them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from assay.conformance.model.expectations import Expectation
from assay.conformance.model.result import Result
from assay.conformance.model.verdict import Verdict, judge
from assay.conformance.model.vocabulary import Outcome

FORMAT = 1
"""The version of the JSON report; `schemas/report.schema.json` describes it."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Report:
    """What a run of the suite found.

    Attributes:
      results: One for each subject, rule, target and mode.
      environment: What it ran on: versions, Keras flavours, devices, seed.
      promised: How many rules the kinds of the subjects promise on the targets; more than ran when rules were selected.
      strict: Whether SHOULD rules, and rules that could not be run, count against the subject.
      expired: Expectations past their last day.
      notes: What was inferred about the subjects, as sentences, by the subject's name.
      seconds: How long it took.
      replays: Which replays of the subjects' calls on other devices the results hold, as plain JSON values.
    """

    results: tuple[Result, ...]
    environment: Mapping[str, Any]
    promised: int = 0
    strict: bool = False
    expired: tuple[Expectation, ...] = ()
    notes: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    seconds: float = 0.0
    replays: tuple[Mapping[str, Any], ...] = ()

    @property
    def verdict(self) -> Verdict:
        """The verdict, with all counts."""
        return judge(self.results, promised=self.promised, strict=self.strict, expired=self.expired)

    @property
    def conformant(self) -> bool:
        """Whether nothing speaks against the subjects; `verdict.complete` says whether everything could be run."""
        return self.verdict.conformant

    @property
    def failures(self) -> tuple[Result, ...]:
        """The results that failed without being expected to."""
        return tuple(result for result in self.results if result.outcome is Outcome.FAIL)

    def to_dict(self) -> dict[str, Any]:
        """The report as plain JSON values, as `schemas/report.schema.json` describes them."""
        verdict = self.verdict
        return {
            "format": FORMAT,
            "conformant": verdict.conformant,
            "complete": verdict.complete,
            "strict": self.strict,
            "verdict": verdict.line,
            "reasons": list(verdict.reasons),
            "rules": verdict.rules,
            "promised_rules": verdict.promised,
            "counts": dict(verdict.counts),
            "seconds": round(self.seconds, 3),
            "environment": dict(self.environment),
            "notes": {subject: list(sentences) for subject, sentences in self.notes.items()},
            "replays": [dict(replay) for replay in self.replays],
            "results": [result.to_dict() for result in self.results],
        }
