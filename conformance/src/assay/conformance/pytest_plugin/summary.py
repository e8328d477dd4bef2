"""The section at the end of a pytest run: how much was checked of each subject, and what could not be run."""

from __future__ import annotations

import collections
from collections.abc import Iterable, Mapping
from typing import Any

from assay.conformance.checking import promised_rules
from assay.conformance.model.kinds import Kind
from assay.conformance.model.vocabulary import Outcome, Target

_ADVICE, _EXPIRED = "advice", "expired"


def write_summary(reporter: Any, reports: Iterable[Any]) -> None:
    """Write a line for each subject, and each reason why something could not be run once.

    Args:
      reporter: pytest's terminal reporter.
      reports: The reports of conformance tests; their properties say what became of the rules.
    """
    by_subject: dict[tuple[str, str], list[Mapping[str, str]]] = {}
    reasons: collections.Counter[str] = collections.Counter()
    for report in reports:
        words = dict(report.user_properties)
        if "assay_expired" in words:
            words["assay_outcome"] = _EXPIRED
        elif words["assay_outcome"] == Outcome.FAIL and report.passed:
            words["assay_outcome"] = _ADVICE
        by_subject.setdefault((report.nodeid.partition("[")[0], words["assay_subject"]), []).append(words)
        if "assay_reason" in words:
            reasons[words["assay_reason"]] += 1
    counts = [f"{subject}: {_counted(results)}" for (_, subject), results in sorted(by_subject.items())]
    if reporter.verbosity < 0:
        counts = []
    if counts or reasons:
        reporter.write_sep("=", "conformance")
    for line in counts:
        reporter.write_line(line)
    for reason, count in reasons.items():
        reporter.write_line(f"{count} not run: {reason}", yellow=True)


def _counted(results: list[Mapping[str, str]]) -> str:
    """`34 of 36 rules, 41 results: 39 pass, 2 fail`."""
    counts = collections.Counter(words["assay_outcome"] for words in results)
    named = [
        f"{counts[word]} {word}"
        for word in (*(outcome.value for outcome in Outcome), _ADVICE, _EXPIRED)
        if counts[word]
    ]
    ran = {words["assay_rule"] for words in results}
    targets = {(words["assay_kind"], words["assay_target"]) for words in results}
    promised = {entry.rule.id for kind, target in targets for entry in promised_rules(Kind(kind), Target(target))}
    noun = "result" if len(results) == 1 else "results"
    return f"{len(ran)} of {len(promised)} rules, {len(results)} {noun}: {', '.join(named)}"
