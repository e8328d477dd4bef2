"""Replays: the devices that the calls of checks were run on elsewhere, with what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from assay.conformance.reports.html.contents import Contents
from assay.conformance.reports.html.markup import EMPTY, Html, element, name, text, together

_HEADINGS = ("Device", "Subject", "Target", "Calls", "Pass there", "Fail there", "Products of float32", "With")
_ABOUT = (
    "The compiled calls of these subjects' checks were run on other devices, and their results compared with those of "
    "the CPU. A cell that is marked as executed names the device when the pointer rests on it."
)


def replays(contents: Contents) -> Html:
    """Return a row for each replay that the results hold; nothing when there is none."""
    if not contents.report.replays:
        return EMPTY
    head = element("tr", *(element("th", text(one), scope="col") for one in _HEADINGS))
    rows = [_row(replay, contents) for replay in contents.report.replays]
    table = element(
        "table",
        element("caption", text("Replays on other devices"), class_="unseen"),
        element("thead", head),
        element("tbody", together(rows)),
        class_="replays",
    )
    return element(
        "section",
        element("h2", text("Replays")),
        element("p", text(_ABOUT), class_="about"),
        element("div", table, class_="scroll", role="region", aria_label="Replays on other devices", tabindex="0"),
        id="replays",
    )


def _row(replay: Mapping[str, Any], contents: Contents) -> Html:
    versions = ", ".join(f"{one} {version}" for one, version in replay["versions"].items())
    return element(
        "tr",
        element("th", name(replay["device"]), scope="row"),
        element("td", name(replay["subject"])),
        element("td", text(replay["target"])),
        element("td", text(replay["calls"])),
        element("td", _linked(replay["executed"], contents)),
        element("td", _linked(replay["failed"], contents)),
        element("td", text(replay["how"])),
        element("td", text(versions)),
    )


def _linked(rules: Sequence[str], contents: Contents) -> Html:
    """The rules, each a way to its documentation."""
    links = [
        element("a", text(rule), href=f"#{contents.rules[rule].anchor}") if rule in contents.rules else text(rule)
        for rule in dict.fromkeys(rules)
    ]
    return together(links, ", ") if links else text("·")
