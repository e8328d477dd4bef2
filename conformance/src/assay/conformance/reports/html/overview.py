"""The top of the page: the verdict with its counts, the way to each part, and one line for each subject."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from assay.conformance.model.report import Report
from assay.conformance.model.result import Result
from assay.conformance.model.vocabulary import Outcome
from assay.conformance.reports.html.contents import Contents, RuleEntry, SubjectResults
from assay.conformance.reports.html.markup import EMPTY, Html, count, element, name, prose, text, together
from assay.conformance.reports.html.words import OUTCOMES, badge, occurring

MANY = 12
"""With more subjects than this, those without a finding are folded away."""

_FEW_RULES = 8  # as many are named in the verdict's reasons

_NUMBERED_RULE = re.compile(r"\b[A-Z]\d{3}\b")


def verdict_style(report: Report) -> str:
    """Return `good`, `partial` or `bad`."""
    verdict = report.verdict
    return "bad" if not verdict.conformant else "good" if verdict.complete else "partial"


def banner(contents: Contents) -> Html:
    """Return the verdict: the word, what it rests on, a count of each outcome, and why it is not plainly green."""
    report, verdict = contents.report, contents.report.verdict
    style = verdict_style(report)
    sign = {"bad": "✗", "partial": "?", "good": "✓"}[style]
    facts = [
        count(len(contents.subjects), "subject"),
        f"{verdict.rules} of {count(max(verdict.promised, verdict.rules), 'rule')}",
        count(len(report.results), "result"),
        f"{report.seconds:.0f} s" if report.seconds >= 1 else f"{report.seconds:.1f} s",
        *(["strict"] if report.strict else []),
    ]
    badges = [badge(outcome, verdict.counts[outcome.value]) for outcome in occurring(report.results)]
    reasons = [element("li", _because(reason, contents.rules)) for reason in verdict.reasons]
    return element(
        "header",
        element("h1", text("Assay conformance report")),
        element("p", element("span", text(sign), aria_hidden="true"), text(f" {verdict.word}"), class_="verdict"),
        element("p", text(" · ".join(facts)), class_="facts"),
        element("p", together(badges, " "), class_="badges"),
        element("ul", together(reasons), class_="because") if reasons else EMPTY,
        class_=f"banner {style}",
    )


def navigation(entries: Sequence[tuple[str, str, int | None]]) -> Html:
    """Return the links to the parts of the page.

    Args:
      entries: The anchor of each part, what it is called, and how much there is in it.
    """
    links = [
        element("li", element("a", text(words), href=f"#{anchor}"), text("" if amount is None else f" {amount:,}"))
        for anchor, words, amount in entries
    ]
    return element("nav", element("ul", together(links)), aria_label="Parts of this report")


def summary(contents: Contents) -> Html:
    """Return one row for each subject, those with findings first; nothing when there is only one subject."""
    if len(contents.subjects) < 2:
        return EMPTY
    outcomes = occurring(contents.report.results)
    first = [subject for subject in contents.subjects if subject.alarming]
    rest = [subject for subject in contents.subjects if not subject.alarming]
    parts = [element("h2", text("Subjects"))]
    if not first or len(contents.subjects) <= MANY:
        parts.append(_table([*first, *rest], outcomes, "Results of each subject, by outcome"))
        return element("section", together(parts), id="summary")
    parts.append(_table(first, outcomes, "Results of each subject with findings, by outcome"))
    if rest:
        parts.append(
            element(
                "details",
                element("summary", text(f"{count(len(rest), 'subject')} without findings")),
                _table(rest, outcomes, "Results of each subject without findings, by outcome"),
            )
        )
    return element("section", together(parts), id="summary")


def _because(reason: str, rules: Mapping[str, RuleEntry]) -> Html:
    """A reason of the verdict; a long list of rules is folded behind their number."""
    reason = reason[:1].upper() + reason[1:]
    what, colon, names = reason.partition(": ")
    concerned = [rule for rule in _NUMBERED_RULE.findall(names) if rule in rules]
    if len(concerned) <= _FEW_RULES:
        return _linked_rules(prose(reason), rules)
    folded = element("summary", prose(f"{what}{colon}{count(len(concerned), 'rule')}"))
    return element("details", folded, element("p", _linked_rules(prose(names), rules)))


def _linked_rules(markup: Html, rules: Mapping[str, RuleEntry]) -> Html:
    """Markup in which the ids of rules of this report lead to their documentation."""

    def link(match: re.Match[str]) -> str:
        rule = match.group()
        return element("a", text(rule), href=f"#{rules[rule].anchor}") if rule in rules else rule

    return Html(_NUMBERED_RULE.sub(link, markup))


def _table(subjects: Sequence[SubjectResults], outcomes: Sequence[Outcome], caption: str) -> Html:
    headings = [
        element("th", text(OUTCOMES[outcome].word), scope="col", title=OUTCOMES[outcome].meaning)
        for outcome in outcomes
    ]
    head = element(
        "tr",
        element("th", text("Subject"), scope="col"),
        element("th", text("Kind"), scope="col"),
        *headings,
        element("th", text("Time"), scope="col"),
    )
    rows = [_row(subject, outcomes) for subject in subjects]
    table = element(
        "table",
        element("caption", text(caption), class_="unseen"),
        element("thead", head),
        element("tbody", together(rows)),
        class_="summary",
    )
    return element("div", table, class_="scroll", role="region", aria_label=caption, tabindex="0")


def _row(subject: SubjectResults, outcomes: Sequence[Outcome]) -> Html:
    cells = [_amount(outcome, subject.results) for outcome in outcomes]
    kind = subject.results[0].kind.replace("_", " ")
    seconds = sum(result.seconds for result in subject.results)
    return element(
        "tr",
        element("th", element("a", name(subject.title), href=f"#{subject.anchor}"), scope="row"),
        element("td", text(kind)),
        *cells,
        element("td", text(f"{seconds:.1f} s"), class_="number"),
    )


def _amount(outcome: Outcome, results: Sequence[Result]) -> Html:
    amount = sum(result.outcome is outcome for result in results)
    if not amount:
        return element("td", text("·"), class_="number nothing", aria_label=f"0 {OUTCOMES[outcome].word}")
    words = f"{amount} {OUTCOMES[outcome].word}"
    return element("td", text(amount), class_=f"number {outcome.value}", aria_label=words, title=words)
