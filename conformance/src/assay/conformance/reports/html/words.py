"""How outcomes and evidence are shown: a word and a sign for each, so that colour is never the only difference."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from assay.conformance.model.result import Result
from assay.conformance.model.vocabulary import Evidence, Mode, Outcome, Target
from assay.conformance.reports.html.markup import Html, element, text


@dataclasses.dataclass(frozen=True)
class Sign:
    """How one word of the vocabulary is shown.

    Attributes:
      sign: One character.
      word: The word beside it.
      meaning: What it means, as half a sentence.
    """

    sign: str
    word: str
    meaning: str


OUTCOMES = {
    Outcome.FAIL: Sign("✗", "FAIL", "the component breaks the rule"),
    Outcome.ERROR: Sign("!", "ERROR", "the check itself broke, so nothing is known"),
    Outcome.UNEXPECTED_PASS: Sign("⚠", "XPASS", "it passes although it is expected to fail: the expectation is stale"),
    Outcome.EXPECTED_FAIL: Sign("~", "xfail", "it fails, as its owner expects"),
    Outcome.NOT_RUN: Sign("?", "not run", "the rule applies, but could not be run here"),
    Outcome.PASS: Sign("✓", "pass", "nothing was found"),
    Outcome.NOT_APPLICABLE: Sign("–", "n/a", "a trait or a missing capability lifts the rule"),
}
"""Outcomes from the most to the least urgent."""

EVIDENCE = {
    Evidence.EXECUTED: Sign("●", "executed", "it ran on that device"),
    Evidence.COMPILED: Sign("◑", "compiled", "the device's own compiler accepted it; the device was absent"),
    Evidence.STATIC: Sign("◇", "static", "the operations were analysed; nothing ran"),
    Evidence.STAND_IN: Sign("○", "stand-in", "XLA on CPU stood in for the device: never proof"),
    Evidence.NONE: Sign("", "no evidence", "nothing was observed; the reason is given"),
}

ALARMING = (Outcome.FAIL, Outcome.ERROR, Outcome.UNEXPECTED_PASS)
"""What turns a verdict red, or is advice."""

CALM = (Outcome.PASS, Outcome.NOT_APPLICABLE)
"""What asks nothing of the reader."""

_SHORT_MODES = {Mode.MIXED_PRECISION.value: "mixed"}


def occurring(results: Iterable[Result]) -> list[Outcome]:
    """Return the outcomes that occur, the most urgent first."""
    found = {result.outcome for result in results}
    return [outcome for outcome in OUTCOMES if outcome in found]


def badge(outcome: Outcome, amount: int | None = None) -> Html:
    """Return an outcome as a coloured badge, with how many there are when that is known."""
    sign = OUTCOMES[outcome]
    words = sign.word if amount is None else f"{amount:,} {sign.word}"
    return element("span", text(f"{sign.sign} {words}"), class_=f"badge {outcome.value}", title=sign.meaning)


def mode_heading(mode: str) -> str:
    """Return a mode as the heading of a narrow column."""
    return _SHORT_MODES.get(mode, mode)


def columns(results: Iterable[Result]) -> list[tuple[str, str]]:
    """Return the targets and modes that occur, in the order of the vocabulary."""
    targets, modes = [target.value for target in Target], [mode.value for mode in Mode]

    def place(column: tuple[str, str]) -> tuple[int, int]:
        target, mode = column
        return (
            targets.index(target) if target in targets else len(targets),
            modes.index(mode) if mode in modes else len(modes),
        )

    return sorted(dict.fromkeys((result.target, result.mode) for result in results), key=place)


def where(results: Iterable[Result]) -> str:
    """Return where results were found: `cpu: eager, graph; gpu: xla`."""
    modes: dict[str, list[str]] = {}
    for target, mode in columns(results):
        modes.setdefault(target, []).append(mode)
    return "; ".join(f"{target}: {', '.join(names)}" for target, names in modes.items())
