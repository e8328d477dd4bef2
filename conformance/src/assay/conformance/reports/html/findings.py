"""What deserves words: each failure with its cause, its fix and its replay line, broken checks, stale expectations."""

from __future__ import annotations

from collections.abc import Sequence

from assay.conformance.model.expectations import Expectation
from assay.conformance.model.result import Finding, Result
from assay.conformance.model.vocabulary import Level, Outcome
from assay.conformance.reports.html.contents import Account, Contents
from assay.conformance.reports.html.markup import EMPTY, Html, element, name, prose, text, together
from assay.conformance.reports.html.words import EVIDENCE, badge, where


def violations(contents: Contents) -> Html:
    """Return the failures of MUST rules."""
    return _section("violations", "Violations", "", contents.accounts_of(Outcome.FAIL, Level.MUST), contents)


def advice(contents: Contents) -> Html:
    """Return the failures of SHOULD rules."""
    counted = contents.report.strict
    about = "These rules are advice. " + (
        "The run is strict, so they count." if counted else "They do not change the verdict unless the run is strict."
    )
    return _section("advice", "Advice", about, contents.accounts_of(Outcome.FAIL, Level.SHOULD), contents)


def broken(contents: Contents) -> Html:
    """Return the checks that broke."""
    about = "These checks broke themselves. Nothing is known about the subject; it is a defect of the suite."
    return _section("broken", "Broken checks", about, contents.accounts_of(Outcome.ERROR), contents)


def stale(contents: Contents) -> Html:
    """Return the expectations that no longer hold: those that pass, and those past their last day."""
    expired = [_expired(expectation) for expectation in contents.report.expired]
    listed = element("ul", together(expired), class_="expired") if expired else EMPTY
    about = "Each of these turns the verdict red until it is removed or renewed."
    told = contents.accounts_of(Outcome.UNEXPECTED_PASS)
    return _section("stale", "Stale and expired expectations", about, told, contents, before=listed)


def finding_parts(finding: Finding) -> list[tuple[str, Html]]:
    """Return the labelled parts of a failure message, less the replay line."""
    return [
        ("Required", prose(finding.requirement)),
        ("Observed", prose(finding.observed)),
        ("Likely cause", prose(finding.cause)),
        ("Fix", prose(finding.fix)),
    ]


def replays(account: Account) -> Html:
    """Return the replay line of each mode; a click selects one whole."""
    lines = dict.fromkeys(result.replay for result in account.results if result.replay)
    return together((element("code", text(line), class_="replay") for line in lines), between="")


def labelled(parts: Sequence[tuple[str, Html]]) -> Html:
    """Return labels, each with its text beside it; those without a text are left out."""
    pairs = [element("div", element("dt", text(label)), element("dd", said)) for label, said in parts if said]
    return element("dl", together(pairs), class_="parts")


def _section(
    anchor: str, title: str, about: str, told: Sequence[Account], contents: Contents, *, before: Html = EMPTY
) -> Html:
    if not told and not before:
        return EMPTY
    articles = [_article(account, contents) for account in told]
    return element(
        "section",
        element("h2", text(title)),
        element("p", text(about), class_="about") if about else EMPTY,
        before,
        together(articles),
        id=anchor,
    )


def _article(account: Account, contents: Contents) -> Html:
    result = account.result
    rule = element("a", name(result.rule), href=f"#{contents.rules[result.rule].anchor}")
    subject = element("a", name(account.subject.title), href=f"#{account.subject.anchor}")
    heading = element("h3", rule, text(" "), name(result.slug), text(" on "), subject)
    evidence = dict.fromkeys(_rests_on(one) for one in account.results)
    tags = [
        badge(result.outcome),
        element("span", text(result.level.value), class_="tag"),
        element("span", text(where(account.results)), class_="tag"),
        element("span", text(", ".join(evidence)), class_="tag"),
    ]
    parts = finding_parts(result.finding) if result.finding else [("Message", prose(result.message))]
    return element(
        "article",
        heading,
        element("p", together(tags, " "), class_="tags"),
        labelled([*parts, ("Replay", replays(account))]),
        id=account.anchor,
        class_=result.outcome.value,
    )


def _rests_on(result: Result) -> str:
    word = EVIDENCE[result.evidence].word
    return f"{word} on {result.device}" if result.device else word


def _expired(expectation: Expectation) -> Html:
    said = [
        element("strong", text(f"expired on {expectation.until}")),
        text(f": {expectation.rule}"),
        text("" if expectation.subject == "*" else f" of {expectation.subject}"),
        text(f" ({', '.join(expectation.modes)})" if expectation.modes else ""),
        text(": "),
        prose(expectation.reason),
    ]
    return element("li", *said)
