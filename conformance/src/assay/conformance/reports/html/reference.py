"""The end of the page: what it was made on, and the documentation of every rule that it speaks of."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from assay.conformance.model.rule import Rule
from assay.conformance.model.traits import TRAITS
from assay.conformance.reports.html.contents import Contents, RuleEntry
from assay.conformance.reports.html.findings import labelled
from assay.conformance.reports.html.markup import EMPTY, Html, element, name, prose, text, together


def environment(contents: Contents) -> Html:
    """Return what the report was made on, as a table."""
    rows = [
        element("tr", element("th", text(key.replace("_", " ")), scope="row"), element("td", text(_plain(value))))
        for key, value in contents.report.environment.items()
    ]
    if not rows:
        return EMPTY
    table = element(
        "table",
        element("caption", text("Versions, devices and seed"), class_="unseen"),
        element("tbody", together(rows)),
        class_="environment",
    )
    return element("section", element("h2", text("Environment")), table, id="environment")


def rules(contents: Contents) -> Html:
    """Return the documentation of each rule that has a result, folded."""
    pages = [_page(entry) for entry in contents.rules.values()]
    about = element("p", text("The same pages as those of "), element("code", text("assay explain RULE")), text("."))
    return element("section", element("h2", text("Rules")), about, together(pages), id="rules")


def _page(entry: RuleEntry) -> Html:
    heading = element("h3", name(entry.result.rule), text(" "), name(entry.result.slug))
    tag = element("span", text(entry.result.level.value), class_="tag")
    summary = element(
        "summary", heading, text(" "), tag, text(" "), element("span", prose(entry.requirement), class_="requirement")
    )
    unknown = element("p", text("This version of the suite has no page of the rule."))
    said = _documentation(entry.rule) if entry.rule else unknown
    return element("details", summary, said, id=entry.anchor, class_="rule")


def _documentation(rule: Rule) -> Html:
    return labelled(
        [
            ("Kind", text(rule.kind.heading)),
            ("Modes", text(", ".join(rule.modes))),
            ("Targets", text(", ".join(rule.targets))),
            ("What is checked", prose(_flowing(rule.checks))),
            ("Why it matters", prose(_flowing(rule.why))),
            ("Wrong", _code(rule.bad)),
            ("Right", _code(rule.good)),
            ("Traits that change it", _listed([f"`{trait}`: {TRAITS[trait].meaning}" for trait in rule.traits])),
            ("On record", _listed(rule.references)),
            ("In a terminal", element("code", text(f"assay explain {rule.id}"), class_="replay")),
        ]
    )


def _listed(entries: Sequence[str]) -> Html:
    return element("ul", together(element("li", prose(entry)) for entry in entries)) if entries else EMPTY


def _code(example: str) -> Html:
    return element("pre", element("code", text(textwrap.dedent(example).strip())), tabindex="0")


def _flowing(paragraph: str) -> str:
    return " ".join(paragraph.split())


def _plain(value: Any) -> str:
    """A value of the environment in words: `tensorflow 2.21.0, keras 3.15.1`, `a, b`."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {entry}" for key, entry in value.items()) or "none"
    if isinstance(value, list | tuple):
        return ", ".join(str(entry) for entry in value) or "none"
    return str(value)
