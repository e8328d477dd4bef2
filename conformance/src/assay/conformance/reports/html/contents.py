"""What stands where in the report: the results of each subject, what is told in words, and the anchor of each."""

from __future__ import annotations

import collections
import dataclasses
import re
from collections.abc import Iterable, Sequence

from assay.conformance.model.report import Report
from assay.conformance.model.result import Result
from assay.conformance.model.rule import Rule
from assay.conformance.model.vocabulary import Level, Outcome
from assay.conformance.registry import all_rules
from assay.conformance.reports.html.words import ALARMING, CALM

_RULE_ID = re.compile(r"[A-Z]\d{3}")


@dataclasses.dataclass(frozen=True)
class SubjectResults:
    """One subject with its results.

    Attributes:
      anchor: The id of its section.
      title: Its name; numbered when another subject has the same.
      results: Its results.
      notes: What was inferred about its sample.
    """

    anchor: str
    title: str
    results: tuple[Result, ...]
    notes: tuple[str, ...]

    @property
    def alarming(self) -> bool:
        """Whether anything speaks against it, advice included."""
        return any(result.outcome in ALARMING for result in self.results)

    @property
    def learnt(self) -> dict[str, list[str]]:
        """What was learnt beside the outcomes, each sentence once, by target."""
        found: dict[str, list[str]] = {}
        for result in self.results:
            own = found.setdefault(result.target, []) if result.notes else []
            own.extend(one for one in result.notes if one not in own)
        return found

    @property
    def calm(self) -> bool:
        """Whether it asks nothing of the reader."""
        return all(result.outcome in CALM for result in self.results)


@dataclasses.dataclass(frozen=True)
class Account:
    """What is told once of one rule on one subject: the modes in which the very same was found go together.

    Attributes:
      anchor: The id of the place where it is told.
      subject: The subject.
      results: The results it tells of; at least one.
    """

    anchor: str
    subject: SubjectResults
    results: tuple[Result, ...]

    @property
    def result(self) -> Result:
        """The first of its results, which stands for all."""
        return self.results[0]


@dataclasses.dataclass(frozen=True)
class Reason:
    """A reason, with everything that it holds for.

    Attributes:
      anchor: The id of the place where it is told.
      sentence: The reason.
      accounts: What it holds for.
    """

    anchor: str
    sentence: str
    accounts: tuple[Account, ...]


@dataclasses.dataclass(frozen=True)
class RuleEntry:
    """A rule that the page speaks of.

    Attributes:
      anchor: The id of its documentation.
      result: The first result of it, which names it.
      rule: What this version of the suite has about it; None when it has nothing.
      requirement: Its requirement; empty when it is not known.
    """

    anchor: str
    result: Result
    rule: Rule | None
    requirement: str


@dataclasses.dataclass(frozen=True)
class Contents:
    """Everything that the parts of the page show.

    Attributes:
      report: The report.
      subjects: The subjects, in the order of the report.
      accounts: What is told of failures, broken checks and stale expectations.
      reasons: Reasons, by outcome: of what fails as expected, could not be run, or does not apply.
      rules: Each rule that has a result, by id, in the order of the ids.
      told: The anchor at which a result is explained, by the identity of the result; a pass has none.
    """

    report: Report
    subjects: tuple[SubjectResults, ...]
    accounts: tuple[Account, ...]
    reasons: dict[Outcome, tuple[Reason, ...]]
    rules: dict[str, RuleEntry]
    told: dict[int, str]

    def accounts_of(self, outcome: Outcome, *levels: Level) -> tuple[Account, ...]:
        """What is told of one outcome, of rules of these levels, or of any when none is given."""
        return tuple(
            account
            for account in self.accounts
            if account.result.outcome is outcome and (not levels or account.result.level in levels)
        )


def arrange(report: Report) -> Contents:
    """Arrange a report for reading."""
    subjects = tuple(_subjects(report))
    accounts = _accounts(subjects, ALARMING, "finding")
    expected = _reasons(_accounts(subjects, (Outcome.EXPECTED_FAIL,), "expected"), "expectation")
    not_run = _reasons(_accounts(subjects, (Outcome.NOT_RUN,), "not-run"), "absence")
    lifted = _reasons(_accounts(subjects, (Outcome.NOT_APPLICABLE,), "lifted"), "exemption")
    told = {id(result): account.anchor for account in accounts for result in account.results}
    # An expected failure is told in full beneath its reason; of the others the reason is all that there is.
    told |= {id(result): one.anchor for reason in expected for one in reason.accounts for result in one.results}
    told |= {
        id(result): reason.anchor for reason in (*not_run, *lifted) for one in reason.accounts for result in one.results
    }
    return Contents(
        report=report,
        subjects=subjects,
        accounts=accounts,
        reasons={
            Outcome.EXPECTED_FAIL: expected,
            Outcome.NOT_RUN: not_run,
            Outcome.NOT_APPLICABLE: lifted,
        },
        rules=_rules(report.results),
        told=told,
    )


def _subjects(report: Report) -> Iterable[SubjectResults]:
    """The subjects; results come subject by subject, so that a repeated place begins another of the same name."""
    groups: list[tuple[str, list[Result]]] = []
    latest: dict[tuple[str, str, str], tuple[int, set[tuple[str, str, str]]]] = {}
    for result in report.results:
        key = (result.subject, result.origin, result.kind)
        place = (result.rule, result.target, result.mode)
        if key not in latest or place in latest[key][1]:
            latest[key] = (len(groups), set())
            groups.append((result.subject, []))
        index, places = latest[key]
        places.add(place)
        groups[index][1].append(result)
    total = collections.Counter(name for name, _ in groups)
    seen: collections.Counter[str] = collections.Counter()
    for number, (name, results) in enumerate(groups, start=1):
        seen[name] += 1
        title = f"{name} ({seen[name]} of {total[name]})" if total[name] > 1 else name
        yield SubjectResults(f"subject-{number}", title, tuple(results), tuple(report.notes.get(name, ())))


def _accounts(subjects: Sequence[SubjectResults], outcomes: Sequence[Outcome], prefix: str) -> tuple[Account, ...]:
    found: dict[tuple[object, ...], tuple[SubjectResults, list[Result]]] = {}
    for subject in subjects:
        for result in subject.results:
            if result.outcome in outcomes:
                # The message of a finding ends with a replay line, which names the mode.
                said = result.finding or result.message
                key = (subject.anchor, result.rule, result.outcome, result.level, said, result.reason)
                found.setdefault(key, (subject, []))[1].append(result)
    return tuple(
        Account(f"{prefix}-{number}", subject, tuple(results))
        for number, (subject, results) in enumerate(found.values(), start=1)
    )


def _reasons(accounts: Iterable[Account], prefix: str) -> tuple[Reason, ...]:
    found: dict[str, list[Account]] = {}
    for account in accounts:
        sentence = account.result.reason or account.result.message or "No reason was given."
        found.setdefault(sentence, []).append(account)
    return tuple(
        Reason(f"{prefix}-{number}", sentence, tuple(own))
        for number, (sentence, own) in enumerate(found.items(), start=1)
    )


def _rules(results: Iterable[Result]) -> dict[str, RuleEntry]:
    """The rules that have a result; a report may be of another version of the suite, or made by hand."""
    known = {entry.rule.id: entry.rule for entry in all_rules()}
    found: dict[str, list[Result]] = {}
    for result in results:
        found.setdefault(result.rule, []).append(result)
    entries = {}
    for number, name in enumerate(sorted(found), start=1):
        first = found[name][0]
        rule = known.get(name)
        rule = rule if rule is not None and rule.slug == first.slug else None
        told = [result.finding.requirement for result in found[name] if result.finding]
        requirement = rule.requirement if rule else told[0] if told else ""
        anchor = name if _RULE_ID.fullmatch(name) else f"rule-{number}"
        entries[name] = RuleEntry(anchor, first, rule, requirement)
    return entries
