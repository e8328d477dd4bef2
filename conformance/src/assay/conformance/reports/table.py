"""The terminal's report: a table of rules, the failures in full, and the verdict line."""

from __future__ import annotations

import collections
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from assay.conformance.model.report import Report
from assay.conformance.model.result import Result
from assay.conformance.model.vocabulary import Evidence, Mode, Outcome
from rich.console import Console
from rich.padding import Padding
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
_QUIET = (Outcome.PASS, Outcome.NOT_APPLICABLE, Outcome.NOT_RUN)
_MOST_NAMES = 8
_LONGEST_REASON = 240
_IN_FULL = (Outcome.FAIL, Outcome.UNEXPECTED_PASS, Outcome.ERROR)
_LABELS = ("Required", "Observed", "Likely cause", "Fix", "Replay")
_LABEL_WIDTH = len("Likely cause: ")
_INDENT = "  "
_NARROWEST = 40
_NOT_ASKED = Text("·", style="dim")


def print_report(report: Report, console: Console, *, verbose: bool = False) -> None:
    """Print a report: subject by subject what deserves attention, and then the verdict.

    Args:
      report: The report.
      console: Where to.
      verbose: Show every rule, and say the reason of every result that is neither a pass nor a failure.
    """
    told: set[str] = set()
    for (subject, target), results in _grouped(report.results):
        _print_heading(subject, target, results, console)
        for note in () if subject in told else report.notes.get(subject, ()):
            console.print(Text(f"{_INDENT}{note}", style="dim"), soft_wrap=True)
        told.add(subject)
        for note in dict.fromkeys(note for result in results for note in result.notes):
            console.print(Text(f"{_INDENT}on {target}: {note}", style="dim"), soft_wrap=True)
        for replay in report.replays:
            if (replay["subject"], replay["target"]) == (subject, target):
                console.print(Text(f"{_INDENT}{_replayed(replay)}", style="dim"), soft_wrap=True)
        shown = results if verbose else [one for one in results if _deserves_attention(one, results)]
        if shown:
            console.print(_table(shown))
        _print_reasons(results, console, verbose=verbose)
        print_failures(results, console)
        console.print()
    print_verdict(report, console)


def print_failures(results: Sequence[Result], console: Console) -> None:
    """Print the results that failed: each rule once in full, and a line for each further mode.

    Args:
      results: Results of one subject on one target; those that did not fail are passed over.
      console: Where to.
    """
    first: dict[str, Result] = {}
    for result in results:
        if result.outcome not in _IN_FULL:
            continue
        if result.rule not in first:
            first[result.rule] = result
            further = [one for one in results if one.rule == result.rule and one.outcome in _IN_FULL][1:]
            print_failure(result, console)
            for one in further:
                _print_further(one, result, console)


def _print_further(result: Result, first: Result, console: Console) -> None:
    """Print that a rule failed in another mode too, and what is different there."""
    word, style = _WORDS[result.outcome]
    observed = "" if result.finding is None else result.finding.observed
    same = first.finding is not None and observed == first.finding.observed
    text = "the same" if same or not observed else observed
    console.print(Text.assemble(_INDENT, (f"{word} too in {result.mode}: ", style), text), soft_wrap=True)


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


def print_durations(report: Report, console: Console, *, count: int) -> None:
    """Print the checks that took longest; what several rules share counts for the one that came first.

    Args:
      report: The report.
      console: Where to.
      count: How many; all when 0.
    """
    longest = sorted(report.results, key=lambda result: -result.seconds)
    total = sum(result.seconds for result in report.results)
    table = Table(box=None, pad_edge=False)
    for column in ("seconds", "share"):
        table.add_column(column, justify="right")
    for column in ("rule", "mode", "subject"):
        table.add_column(column)
    for result in longest[:count] if count else longest:
        share = f"{result.seconds / total:.0%}" if total else ""
        table.add_row(f"{result.seconds:.2f}", share, f"{result.rule} {result.slug}", result.mode, result.subject)
    console.print(Text(f"Where {total:.1f} s of checks went", style="bold"))
    console.print(Padding(table, (0, 0, 0, len(_INDENT))))
    console.print()


def print_verdict(report: Report, console: Console) -> None:
    """Print the verdict with all counts, and why when it is not plainly green."""
    verdict = report.verdict
    style = "bold red" if not verdict.conformant else "bold green" if verdict.complete else "bold yellow"
    console.print(Text(f"{verdict.line} ({report.seconds:.0f} s)", style=style), soft_wrap=True)
    for reason in verdict.reasons:
        whole = len(reason) <= _LONGEST_REASON
        console.print(Text(f"  {reason if whole else reason[:_LONGEST_REASON] + ' ...'}"), soft_wrap=True)


def _grouped(results: Iterable[Result]) -> list[tuple[tuple[str, str], list[Result]]]:
    groups: dict[tuple[str, str], list[Result]] = {}
    for result in results:
        groups.setdefault((result.subject, result.target), []).append(result)
    return list(groups.items())


def _deserves_attention(result: Result, results: Sequence[Result]) -> bool:
    """Whether a row is shown to someone who did not ask for all of them; what did not run is said in words below."""
    return any(one.rule == result.rule and one.outcome not in _QUIET for one in results)


def _print_heading(subject: str, target: str, results: Sequence[Result], console: Console) -> None:
    """Print who is spoken of, and how the results are distributed."""
    counts = collections.Counter(result.outcome for result in results)
    rules = len({result.rule for result in results})
    heading = Text(f"{subject} ({results[0].kind.replace('_', ' ')}) on {target}", style="bold")
    heading.append(f"  {rules} {'rule' if rules == 1 else 'rules'}:", style="not bold")
    for outcome, (word, style) in _WORDS.items():
        if counts[outcome]:
            heading.append(f" {counts[outcome]} {word}", style=f"not bold {style}")
    console.print(heading, soft_wrap=True)


def _table(results: Sequence[Result]) -> Padding:
    """One row a rule, one column a mode."""
    modes = [mode.value for mode in Mode if any(result.mode == mode.value for result in results)]
    table = Table(box=None, pad_edge=False)
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
    return Padding(table, (0, 0, 0, len(_INDENT)))


def _cell(result: Result | None) -> Text:
    if result is None:
        return _NOT_ASKED
    word, style = _WORDS[result.outcome]
    return Text(word, style=style)


def _replayed(replay: Mapping[str, Any]) -> str:
    """What a replay adds: `Replayed on NVIDIA H200 (float32): 19 calls; 4 rules executed there, 0 failed.`."""
    executed, failed = len(replay["executed"]), len(replay["failed"])
    words = f"{executed + failed} {'rule' if executed + failed == 1 else 'rules'} executed there, {failed} failed"
    return f"Replayed on {replay['device']} ({replay['how']}): {replay['calls']} calls; {words}."


def _evidence(results: Iterable[Result]) -> str:
    found = dict.fromkeys(result.rests_on for result in results if result.evidence is not Evidence.NONE)
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
            more = f" and {len(rules) - _MOST_NAMES} more" if len(rules) > _MOST_NAMES else ""
            text = Text.assemble(_INDENT, (f"{word} ", style), f"{', '.join(rules[:_MOST_NAMES])}{more}: {reason}")
            console.print(text, soft_wrap=True)
