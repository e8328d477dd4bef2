"""The verdict: one line over all results, which never hides how little ran."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Mapping, Sequence

from assay.conformance.model.expectations import Expectation
from assay.conformance.model.result import Result
from assay.conformance.model.vocabulary import Evidence, Level, Outcome


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What the results amount to.

    Attributes:
      conformant: Whether nothing speaks against the subjects.
      complete: Whether everything that applies could be run, and on more than a stand-in.
      counts: How many results there are of each outcome; every outcome is there.
      rules: How many rules have a result.
      promised: How many rules the subjects' kinds promise; more than `rules` when rules were selected or ignored.
      stood_in: How many passes rest on a stand-in for a device that is not here.
      reasons: Why it is not conformant, or not complete, as sentences.
    """

    conformant: bool
    complete: bool
    counts: Mapping[str, int]
    rules: int
    promised: int
    stood_in: int
    reasons: tuple[str, ...]

    @property
    def word(self) -> str:
        """The verdict in a word or two."""
        if not self.conformant:
            return "NOT CONFORMANT"
        return "CONFORMANT" if self.complete else "CONFORMANT AS FAR AS IT RAN"

    @property
    def line(self) -> str:
        """The verdict and all counts, on one line."""
        named = [f"{count} {outcome}{self._stood_in(outcome)}" for outcome, count in self.counts.items() if count]
        promised = max(self.promised, self.rules)
        rules = f"{self.rules} of {_count(promised, 'rule')}"
        return f"{self.word}: {rules}, {_count(sum(self.counts.values()), 'result')}: {', '.join(named) or 'none'}"

    def _stood_in(self, outcome: str) -> str:
        return f" ({self.stood_in} on a stand-in)" if self.stood_in and outcome == Outcome.PASS else ""


def judge(
    results: Sequence[Result], *, promised: int = 0, strict: bool = False, expired: Sequence[Expectation] = ()
) -> Verdict:
    """Judge results.

    It is not conformant when a MUST rule fails (or, when strict, a SHOULD rule, or one that could not be run), when an
    expectation is stale or expired, when a check broke, when a rule gives no reason for not having run, and when
    nothing passed at all.

    Args:
      results: What was found.
      promised: How many rules the subjects' kinds promise.
      strict: Whether advice and rules that could not be run count.
      expired: Expectations past their last day.
    """
    counts = collections.Counter(result.outcome for result in results)
    red = [
        *_sentences(results, Outcome.FAIL, Level.MUST, "MUST rules fail"),
        *_sentences(results, Outcome.UNEXPECTED_PASS, None, "expectations are stale, because the rule passes"),
        *_sentences(results, Outcome.ERROR, None, "checks broke, so that nothing is known"),
        *(f"an expectation expired on {expectation.until}: {expectation}" for expectation in expired),
    ]
    unexplained = [result for result in results if result.outcome is Outcome.NOT_RUN and not result.message]
    red += _named(unexplained, "rules did not run and no reason was given")
    if not counts[Outcome.PASS] + counts[Outcome.EXPECTED_FAIL] + counts[Outcome.FAIL]:
        red.append("no check was carried out")
    not_run = _sentences(results, Outcome.NOT_RUN, None, "rules could not be run")
    passed_in_its_stead = [
        result for result in results if result.outcome is Outcome.PASS and result.evidence is Evidence.STAND_IN
    ]
    absent = ", ".join(dict.fromkeys(result.target.upper() for result in passed_in_its_stead))
    stood_in = _named(passed_in_its_stead, f"rules passed on XLA on the CPU, which is no proof for a {absent}")
    advice = _sentences(results, Outcome.FAIL, Level.SHOULD, "SHOULD rules fail (advice)")
    if strict:
        red += not_run + advice
    return Verdict(
        conformant=not red,
        complete=not not_run and not stood_in,
        counts={outcome.value: counts[outcome] for outcome in Outcome},
        rules=len({result.rule for result in results}),
        promised=promised,
        stood_in=len(passed_in_its_stead),
        reasons=tuple(dict.fromkeys([*red, *not_run, *stood_in, *advice])),
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


def _sentences(results: Sequence[Result], outcome: Outcome, level: Level | None, what: str) -> list[str]:
    concerned = [result for result in results if result.outcome is outcome and level in (None, result.level)]
    return _named(concerned, what)


def _named(results: Sequence[Result], what: str) -> list[str]:
    """`what: T101 (eager, graph), T104 (eager)`, or nothing when there are no results."""
    if not results:
        return []
    modes: dict[str, list[str]] = {}
    for result in results:
        modes.setdefault(result.rule, [])
        if result.mode not in modes[result.rule]:
            modes[result.rule].append(result.mode)
    return [f"{what}: " + ", ".join(f"{rule} ({', '.join(names)})" for rule, names in modes.items())]
