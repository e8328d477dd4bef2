"""The matrices: for each subject its rules by target and mode, coloured by outcome and marked by evidence."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from assay.conformance.model.result import Result
from assay.conformance.model.vocabulary import Evidence, Level, Outcome
from assay.conformance.reports.html.contents import Contents, SubjectResults
from assay.conformance.reports.html.markup import EMPTY, Html, element, name, prose, text, together
from assay.conformance.reports.html.words import CALM, EVIDENCE, OUTCOMES, badge, columns, mode_heading, occurring

_FEW_SUBJECTS = 3
_FEW_COLUMNS = 6


def matrices(contents: Contents) -> Html:
    """Return a matrix for each subject; with more than a few subjects, those without a finding are folded."""
    all_open = len(contents.subjects) <= _FEW_SUBJECTS
    sections = [
        _section(subject, contents, is_open=all_open or subject.alarming, number=number)
        for number, subject in enumerate(contents.subjects, start=1)
    ]
    return element(
        "section",
        element("h2", text("Results by subject")),
        _legend(contents.report.results),
        _filter(contents.report.results),
        together(sections),
        id="results",
    )


def _legend(results: Sequence[Result]) -> Html:
    """What the words and marks of the cells mean; only those that occur."""
    outcomes = [
        element("li", badge(outcome), element("span", text(OUTCOMES[outcome].meaning)))
        for outcome in occurring(results)
    ]
    found = {result.evidence for result in results if result.evidence is not Evidence.NONE}
    marks = [
        element("li", element("i", text(sign.sign)), element("span", text(f"{sign.word}: {sign.meaning}")))
        for evidence, sign in EVIDENCE.items()
        if evidence in found
    ]
    return element(
        "div",
        element("ul", together(outcomes), aria_label="Outcomes"),
        element("ul", together(marks), aria_label="Evidence") if marks else EMPTY,
        class_="legend",
    )


def _filter(results: Sequence[Result]) -> Html:
    """A switch that leaves the rows that ask something of the reader; it works by style sheet alone."""
    if not any(result.outcome not in CALM for result in results):
        return EMPTY
    box = element("input", type="checkbox", id="attention")
    words = text(" Hide what passed and what does not apply")
    return element("p", element("label", box, words, for_="attention"), class_="filter")


def _section(subject: SubjectResults, contents: Contents, *, is_open: bool, number: int) -> Html:
    first = subject.results[0]
    badges = [
        badge(outcome, sum(result.outcome is outcome for result in subject.results))
        for outcome in occurring(subject.results)
    ]
    heading = element("h3", name(subject.title), id=f"heading-{number}")
    about = [text(first.kind.replace("_", " "))]
    if first.origin:
        about.append(element("code", name(first.origin)))
    notes = [element("li", prose(note)) for note in subject.notes]
    return element(
        "details",
        element("summary", heading, text(" "), element("span", together(badges, " "), class_="badges")),
        element("p", together(about, " · "), class_="about"),
        element("ul", together(notes), class_="notes", aria_label="What was inferred about the sample")
        if notes
        else EMPTY,
        together([_learnt(target, sentences) for target, sentences in subject.learnt.items()]),
        _matrix(subject, contents),
        id=subject.anchor,
        open=is_open,
        class_="subject calm" if subject.calm else "subject",
    )


def _learnt(target: str, sentences: Sequence[str]) -> Html:
    """What was learnt on a target beside the outcomes."""
    return element(
        "div",
        element("strong", name(target)),
        element("ul", together([element("li", prose(one)) for one in sentences])),
        class_="notes learnt",
        aria_label=f"What was learnt on {target}",
        role="group",
    )


def _matrix(subject: SubjectResults, contents: Contents) -> Html:
    own = columns(subject.results)
    cells: dict[str, dict[tuple[str, str], Result]] = {}
    for result in subject.results:
        cells.setdefault(result.rule, {})[result.target, result.mode] = result
    rows = [_row(found, own, contents) for found in cells.values()]
    table = element(
        "table",
        element("caption", text("Rules by target and mode: "), name(subject.title), class_="unseen"),
        _head(own),
        element("tbody", together(rows)),
        class_="matrix",
    )
    label = f"Rules by target and mode: {subject.title}"
    style = "scroll few" if len(own) <= _FEW_COLUMNS else "scroll"
    return element("div", table, class_=style, role="region", aria_label=label, tabindex="0")


def _head(own: Sequence[tuple[str, str]]) -> Html:
    groups = [(target, len(list(modes))) for target, modes in itertools.groupby(own, key=lambda column: column[0])]
    targets = [
        element("th", name(target), scope="colgroup", colspan=str(width), class_="target") for target, width in groups
    ]
    modes = [element("th", name(mode_heading(mode)), scope="col", title=mode) for _, mode in own]
    top = element("tr", element("th", text("Rule"), scope="col", rowspan="2"), *targets)
    groupings = [element("colgroup"), *(element("colgroup", span=str(width)) for _, width in groups)]
    return Html("".join(groupings) + element("thead", top, element("tr", *modes)))


def _row(found: dict[tuple[str, str], Result], own: Sequence[tuple[str, str]], contents: Contents) -> Html:
    first = next(iter(found.values()))
    level = EMPTY if first.level is Level.MUST else element("small", text(" should"))
    entry = contents.rules[first.rule]
    rule = element("a", name(first.rule), href=f"#{entry.anchor}", title=entry.requirement or None)
    heading = element("th", rule, Html(" "), element("span", name(first.slug)), level, scope="row")
    cells = [_cell(found.get(column), contents) for column in own]
    calm = all(result.outcome in CALM for result in found.values())
    return element("tr", heading, *cells, class_="calm" if calm else None)


def _cell(result: Result | None, contents: Contents) -> Html:
    """One result: its outcome as sign and word, its evidence as a mark, and the way to where it is explained."""
    if result is None:
        return element("td", text("·"), class_="nothing", aria_label="no result")
    outcome, evidence = OUTCOMES[result.outcome], EVIDENCE[result.evidence]
    label = f"{outcome.word}, {evidence.word}" + (f" on {result.device}" if result.device else "")
    mark = element("i", text(evidence.sign)) if evidence.sign else EMPTY
    shown = together([text(f"{outcome.sign} {outcome.word}"), mark], " ")
    style = result.outcome.value + (" should" if result.level is Level.SHOULD else "")
    anchor = contents.told.get(id(result))
    title = f"{label}, {result.seconds:.2f} s" if result.outcome is not Outcome.NOT_APPLICABLE else label
    if anchor is None:
        return element("td", shown, class_=style, aria_label=label, title=title)
    link = element("a", shown, href=f"#{anchor}", aria_label=label, title=title)
    return element("td", link, class_=style)
