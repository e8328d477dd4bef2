"""The terminal's report: a table of rules, the failures in full, and the verdict line."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence

from assay.conformance.model.report import Report
from assay.conformance.model.result import Result
from assay.conformance.model.vocabulary import Evidence, Mode, Outcome
from rich.console import Console
from rich.table import Table
from rich.text import Text

_WORDS = {
    Outcome.PASS: ("pass", "green"),
    Outcome.FAIL: ("FAIL", "bold red"),
    Outcome.EXPECTED_FAIL: ("xfail", "yellow"),
    Outcome.UNEXPECTED_PASS: ("XPASS", "bold red"),
    Outcome.NOT_APPLICABLE: ("n/a", "dim"),
    Outcome.NOT_RUN: ("not run", "yellow"),
    Outcome.ERROR: ("ERROR", "bold magenta"),
}
_MODE_HEADINGS = {Mode.MIXED_PRECISION.value: "mixed"}
_IN_FULL = (Outcome.FAIL, Outcome.UNEXPECTED_PASS, Outcome.ERROR)
_LABELS = ("Required", "Observed", "Likely cause", "Fix", "Replay")
_LABEL_WIDTH = len("Likely cause: ")
_INDENT = "  "
_NARROWEST = 40
_NOT_ASKED = Text("·", style="dim")


def print_report(report: Report, console: Console, *, verbose: bool = False) -> None:
    """Print a report: for each subject and target a table, then what deserves words, then the verdict.

    Args:
      report: The report.
      console: Where to.
      verbose: Say the reason of every result that is neither a pass nor a failure.
    """
    for (subject, target), results in _grouped(report.results):
        console.print(_table(subject, target, results))
    _print_reasons(report.results, console, verbose=verbose)
    for result in report.results:
        if result.outcome in _IN_FULL:
            print_failure(result, console)
    print_verdict(report, console)


def print_failure(result: Result, console: Console) -> None:
    """Print one failure in full, its parts labelled."""
    word, style = _WORDS[result.outcome]
    console.print()
    heading = f"{word} {result.rule} {result.slug} ({result.level}) on {result.subject}: {result.target}, {result.mode}"
    console.print(Text(heading, style=style))
    for line in result.message.splitlines():
        _print_part(line, console)


def _print_part(line: str, console: Console) -> None:
    """Print one line of a message: a labelled part with its text beside the label, anything else as it is."""
    label, colon, text = line.partition(":")
    if not colon or label not in _LABELS:
        console.print(Text(f"{_INDENT}{line}"), soft_wrap=True)
        return
    beside = len(_INDENT) + _LABEL_WIDTH
    # A command is kept on one line, so that it can be copied.
    parts = (
        [text.strip()] if label == "Replay" else textwrap.wrap(text.strip(), max(console.width - beside, _NARROWEST))
    )
    head = Text.assemble(_INDENT, (f"{label + colon:<{_LABEL_WIDTH}}", "bold"), parts[0] if parts else "")
    console.print(head, soft_wrap=True)
    for part in parts[1:]:
        console.print(Text(" " * beside + part), soft_wrap=True)


def print_verdict(report: Report, console: Console) -> None:
    """Print the verdict with all counts, and why when it is not plainly green."""
    verdict = report.verdict
    style = "bold red" if not verdict.conformant else "bold green" if verdict.complete else "bold yellow"
    console.print()
    console.print(Text(f"{verdict.line} ({report.seconds:.0f} s)", style=style), soft_wrap=True)
    for reason in verdict.reasons:
        console.print(Text(f"  {reason}"), soft_wrap=True)


def _grouped(results: Iterable[Result]) -> list[tuple[tuple[str, str], list[Result]]]:
    groups: dict[tuple[str, str], list[Result]] = {}
    for result in results:
        groups.setdefault((result.subject, result.target), []).append(result)
    return list(groups.items())


def _table(subject: str, target: str, results: Sequence[Result]) -> Table:
    """One row a rule, one column a mode."""
    modes = [mode.value for mode in Mode if any(result.mode == mode.value for result in results)]
    kind = results[0].kind.replace("_", " ")
    table = Table(
        title=f"{subject} ({kind}) on {target}", title_justify="left", title_style="bold", box=None, pad_edge=False
    )
    table.add_column("rule")
    table.add_column("what", overflow="fold")
    for mode in modes:
        table.add_column(_MODE_HEADINGS.get(mode, mode), justify="center")
    table.add_column("evidence")
    for rule in dict.fromkeys(result.rule for result in results):
        own = {result.mode: result for result in results if result.rule == rule}
        first = next(iter(own.values()))
        what = first.slug if first.level == "MUST" else f"{first.slug} (should)"
        table.add_row(rule, what, *(_cell(own.get(mode)) for mode in modes), _evidence(own.values()))
    return table


def _cell(result: Result | None) -> Text:
    if result is None:
        return _NOT_ASKED
    word, style = _WORDS[result.outcome]
    return Text(word, style=style)


def _evidence(results: Iterable[Result]) -> str:
    found = dict.fromkeys(result.evidence.value for result in results if result.evidence is not Evidence.NONE)
    return ", ".join(found) or "none"


def _print_reasons(results: Sequence[Result], console: Console, *, verbose: bool) -> None:
    """Say why results are neither a pass nor a failure, each reason once with the rules it holds for."""
    told = [Outcome.NOT_RUN, Outcome.EXPECTED_FAIL] + ([Outcome.NOT_APPLICABLE] if verbose else [])
    for outcome in told:
        reasons: dict[str, list[str]] = {}
        for result in results:
            if result.outcome is outcome:
                reason = result.reason or result.message
                rules = reasons.setdefault(reason, [])
                if result.rule not in rules:
                    rules.append(result.rule)
        for reason, rules in reasons.items():
            word, style = _WORDS[outcome]
            console.print(Text.assemble((f"{word} ", style), f"{', '.join(rules)}: {reason}"), soft_wrap=True)
