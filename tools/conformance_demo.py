"""The main job: check the reference tasks, then show that the suite catches deliberately broken copies of one.

Exits with 0 only when every subject of `[tool.assay]` is conformant *and* every broken copy is caught by the rule that
is there for it.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from assay.conformance import Mode, Outcome, Report, UsageError, check, set_up_devices
from assay.conformance.devices import quieten_environment, quieten_python
from assay.conformance.importing import load_subjects
from assay.conformance.project import find_project
from assay.conformance.quiet import silenced
from assay.conformance.reports.progress import progress
from assay.conformance.reports.table import print_failure, print_report, print_verdict
from assay.conformance.reports.terminal import make_console
from rich.console import Console

ROOT = Path(__file__).parents[1]

BROKEN_COPIES = {
    "tools/broken_copies.py:validates_in_training_mode": (("T102", "T107"), Mode.EAGER),
    "tools/broken_copies.py:forgets_the_replicas": (("T501",), Mode.REPLICAS),
}
"""Each broken copy with the rules that must catch it, and the mode in which they are run for it."""


def main() -> int:
    """Check the subjects and the broken copies, and return the exit code."""
    start = time.perf_counter()
    quieten_environment()
    with silenced() as out:
        console = make_console(out)
        console.print("Checking the reference tasks ([tool.assay] in pyproject.toml). The first results take a moment.")
        set_up_devices(hide_others=True)
        quieten_python()
        report = _check_project(console)
        console.print()
        console.rule("The suite earning its keep: deliberately broken copies")
        caught = [_show_broken_copy(spec, *by, console) for spec, by in BROKEN_COPIES.items()]
        passed = report.conformant and all(caught)
        console.print()
        console.rule()
        print_verdict(report, console)
        console.print(
            f"{sum(caught)} of {len(caught)} broken copies caught. {time.perf_counter() - start:.0f} s in all.",
            style="bold green" if passed else "bold red",
        )
    return 0 if passed else 1


def _check_project(console: Console) -> Report:
    """Check what `[tool.assay]` names, and print the report."""
    project = find_project(ROOT)
    if project is None or not project.subjects:
        raise UsageError(f"{ROOT / 'pyproject.toml'} names no subjects under [tool.assay].")
    with progress(console) as on_result:
        report = check(project.load_subjects(), expectations=project.expectations, on_result=on_result)
    print_report(report, console, verbose=True)
    return report


def _show_broken_copy(spec: str, rules: tuple[str, ...], mode: Mode, console: Console) -> bool:
    """Check a broken copy with the rules that are there for it, print what they say, and tell whether all caught it."""
    (subject,) = load_subjects(spec, folder=ROOT)
    with progress(console) as on_result:
        report = check(subject, select=rules, modes=[mode], on_result=on_result)
    doc = (type(subject.factory()).__doc__ or "").splitlines()[0]
    console.print()
    console.print(f"{subject.name}: {doc}", style="bold", soft_wrap=True)
    shown: set[str] = set()
    for result in report.results:
        if result.outcome is Outcome.FAIL and result.rule not in shown:
            shown.add(result.rule)
            print_failure(result, console)
    missed = [rule for rule in rules if rule not in shown]
    if missed:
        console.print(f"NOT caught by {', '.join(missed)}", style="bold red")
    return not missed


if __name__ == "__main__":
    try:
        sys.exit(main())
    except UsageError as error:
        sys.exit(f"conformance: {error}")
