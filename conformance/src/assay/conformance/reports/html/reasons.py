"""What neither passed nor failed: each reason once, with the rules and the subjects that it holds for."""

from __future__ import annotations

from assay.conformance.model.vocabulary import Outcome
from assay.conformance.reports.html.contents import Account, Contents, Reason
from assay.conformance.reports.html.findings import finding_parts, labelled, replays
from assay.conformance.reports.html.markup import EMPTY, Html, count, element, name, prose, text, together
from assay.conformance.reports.html.words import badge, where

_FEW_SUBJECTS = 3


def expected(contents: Contents) -> Html:
    """Return the failures that the subjects' owner expects: the owner's reason, and beneath it what was found."""
    about = "Known failures: the verdict accepts them as long as they fail."
    items = [_expected_item(reason, contents) for reason in contents.reasons[Outcome.EXPECTED_FAIL]]
    return _section("expected", "Expected failures", about, items)


def not_run(contents: Contents) -> Html:
    """Return what could not be run here, and what would make it run."""
    about = "These rules apply to the subject, but could not be run on this machine or in this process."
    items = [_item(reason, contents) for reason in contents.reasons[Outcome.NOT_RUN]]
    return _section("not-run", "Not run", about, items)


def lifted(contents: Contents) -> Html:
    """Return why rules do not apply."""
    about = "A trait, or something that the subject does not have, lifts these rules."
    items = [_item(reason, contents) for reason in contents.reasons[Outcome.NOT_APPLICABLE]]
    return _section("not-applicable", "Not applicable", about, items)


def _section(anchor: str, title: str, about: str, items: list[Html]) -> Html:
    if not items:
        return EMPTY
    return element(
        "section",
        element("h2", text(title)),
        element("p", text(about), class_="about"),
        element("ul", together(items), class_="reasons"),
        id=anchor,
    )


def _item(reason: Reason, contents: Contents) -> Html:
    """A reason with its rules, and its subjects: named when they are few, else folded."""
    rules = dict.fromkeys(account.result.rule for account in reason.accounts)
    links = [element("a", name(rule), href=f"#{contents.rules[rule].anchor}") for rule in rules]
    subjects = {account.subject.anchor: account.subject.title for account in reason.accounts}
    named = together((element("a", name(title), href=f"#{anchor}") for anchor, title in subjects.items()), between=", ")
    if len(contents.subjects) == 1:
        holders = EMPTY
    elif len(subjects) <= _FEW_SUBJECTS:
        holders = element("p", text("of "), named, class_="holders")
    else:
        summary = element("summary", text(f"of {len(subjects)} of {count(len(contents.subjects), 'subject')}"))
        holders = element("details", summary, element("p", named), class_="holders")
    outcome = badge(reason.accounts[0].result.outcome)
    return element(
        "li",
        element("p", outcome, text(" "), prose(reason.sentence)),
        element("p", together(links, ", "), class_="rules"),
        holders,
        id=reason.anchor,
    )


def _expected_item(reason: Reason, contents: Contents) -> Html:
    accounts = [_expected_account(account, contents) for account in reason.accounts]
    return element(
        "li",
        element("p", badge(Outcome.EXPECTED_FAIL), text(" "), prose(reason.sentence)),
        element("ul", together(accounts)),
        id=reason.anchor,
    )


def _expected_account(account: Account, contents: Contents) -> Html:
    result = account.result
    rule = element("a", name(result.rule), href=f"#{contents.rules[result.rule].anchor}")
    subject = element("a", name(account.subject.title), href=f"#{account.subject.anchor}")
    heading = element("span", name(result.slug), text(" on "), subject, text(f" ({where(account.results)})"))
    parts = finding_parts(result.finding) if result.finding else [("Message", prose(result.message))]
    found = labelled([*parts, ("Replay", replays(account))])
    details = element("details", element("summary", text("What was found")), found)
    return element("li", rule, text(" "), heading, details, id=account.anchor)
