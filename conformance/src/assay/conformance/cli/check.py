"""`assay check`: check subjects and print what was found."""

from __future__ import annotations

import argparse
import json
from contextlib import nullcontext
from pathlib import Path
from typing import Any, TextIO

from assay.conformance.checking import check
from assay.conformance.devices import quieten_environment, quieten_python, set_up_devices
from assay.conformance.importing import load_attribute, load_subjects, split_spec
from assay.conformance.model.errors import UsageError
from assay.conformance.model.expectations import Expectation
from assay.conformance.model.kinds import Kind, parse_kind
from assay.conformance.model.subject import Subject
from assay.conformance.model.traits import check_traits
from assay.conformance.model.vocabulary import Mode, Target, members
from assay.conformance.project import Project, find_project, read_expectations
from assay.conformance.quiet import silenced
from assay.conformance.registry import select_rules
from assay.conformance.reports.progress import progress
from assay.conformance.reports.schema import as_json, write_json
from assay.conformance.reports.table import print_report
from assay.conformance.reports.terminal import make_console

_DESCRIPTION = """\
Check each SUBJECT against the rules of its kind.

A SUBJECT is package.module:attr or path/file.py:attr, where attr is a zero-argument factory (a class or a function), a
Subject, or a list of Subject. Without one, the subjects of [tool.assay] in the nearest pyproject.toml are checked.
"""


def add_command(commands: Any) -> None:
    """Add the command and its arguments to the parser."""
    parser = commands.add_parser(
        "check",
        help="check subjects and print what was found",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("subjects", nargs="*", metavar="SUBJECT", help="package.module:attr or path/file.py:attr")
    parser.add_argument("--kind", help=f"the kind, where it cannot be inferred: {', '.join(Kind)}")
    parser.add_argument("--sample", metavar="MODULE:NAME", help="a function that returns a sample (losses, metrics)")
    parser.add_argument(
        "--trait", action="append", default=[], metavar="NAME[=VALUE]", help="declare a trait; VALUE is JSON or text"
    )
    parser.add_argument("--target", default=Target.CPU.value, metavar="cpu,gpu,tpu", help="the targets (default: cpu)")
    parser.add_argument("--mode", metavar="MODES", help=f"only these modes: {', '.join(Mode)}")
    parser.add_argument("--select", metavar="RULES", help="only these rules: ids or slugs, separated by commas")
    parser.add_argument("--ignore", metavar="RULES", help="all rules but these")
    parser.add_argument("--strict", action="store_true", help="let SHOULD rules and rules that could not run count")
    parser.add_argument("--expectations", metavar="FILE", help="a TOML file with known failures, each with its reason")
    parser.add_argument("--seed", type=int, default=0, help="where all randomness starts from (default: 0)")
    parser.add_argument("--json", metavar="FILE", help="write the report as JSON as well; - prints only that")
    parser.add_argument("-v", "--verbose", action="store_true", help="say why rules do not apply; let TensorFlow talk")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Check what the options ask for.

    Returns:
      0 when the subjects are conformant, else 1.

    Raises:
      UsageError: If something cannot be imported, or a name is unknown.
    """
    project = find_project()
    expectations = _expectations(options, project)
    if not options.subjects and (project is None or not project.subjects):
        raise UsageError(
            "There is nothing to check: give a SUBJECT (package.module:attr or path/file.py:attr), or list subjects "
            "under [tool.assay] in pyproject.toml."
        )
    kind = parse_kind(options.kind) if options.kind else None
    traits = dict(_trait(text) for text in options.trait)
    targets = members(Target, _names(options.target) or ())
    _refuse_mistakes(options, kind, traits)
    quieten_environment()
    with silenced(active=not options.verbose) as out:
        set_up_devices(targets, hide_others=True)
        if not options.verbose:
            quieten_python()
        sample = load_attribute(options.sample)() if options.sample else None
        subjects = _subjects(options, project, kind, sample, traits)
        # JSON alone goes where a program reads it: nothing else is written there.
        with nullcontext() if options.json == "-" else progress(make_console(out)) as on_result:
            report = check(
                subjects,
                targets=targets,
                modes=_names(options.mode),
                select=_names(options.select),
                ignore=_names(options.ignore),
                expectations=expectations,
                strict=options.strict,
                seed=options.seed,
                on_result=on_result,
            )
        _write(report, options, out)
    return 0 if report.conformant else 1


def _refuse_mistakes(options: argparse.Namespace, kind: Kind | None, traits: dict[str, Any]) -> None:
    """Say what is wrong with the options at once, before TensorFlow takes seconds to start.

    Raises:
      UsageError: If a rule, trait or mode is unknown, or a subject is written in another form.
    """
    select_rules((), select=_names(options.select), ignore=_names(options.ignore))
    check_traits(traits, kind=kind)
    members(Mode, _names(options.mode) or ())
    for spec in (*options.subjects, *([options.sample] if options.sample else [])):
        split_spec(spec)


def _subjects(
    options: argparse.Namespace, project: Project | None, kind: Kind | None, sample: Any, traits: dict[str, Any]
) -> list[Subject]:
    if options.subjects:
        return [
            subject
            for spec in options.subjects
            for subject in load_subjects(spec, kind=kind, sample=sample, traits=traits)
        ]
    assert project is not None
    return project.load_subjects()


def _write(report: Any, options: argparse.Namespace, out: TextIO) -> None:
    """Print the report, and write the JSON where it was asked for."""
    if options.json == "-":
        out.write(as_json(report))
        return
    print_report(report, make_console(out), verbose=options.verbose)
    if options.json:
        write_json(report, Path(options.json))


def _expectations(options: argparse.Namespace, project: Project | None) -> tuple[Expectation, ...]:
    own = project.expectations if project is not None else ()
    return own + (read_expectations(Path(options.expectations)) if options.expectations else ())


def _names(text: str | None) -> list[str] | None:
    """The names in a list separated by commas, or None when there is no list."""
    return None if text is None else [name.strip() for name in text.split(",") if name.strip()]


def _trait(text: str) -> tuple[str, Any]:
    """A trait and its value: `batch_statistics`, `ignore_label=255`, `normaliser=valid`."""
    name, equals, value = text.partition("=")
    if not equals:
        return name, True
    try:
        return name, json.loads(value)
    except json.JSONDecodeError:
        return name, value
