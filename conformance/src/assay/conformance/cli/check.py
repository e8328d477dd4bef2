"""`assay check`: check subjects and print what was found."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any, TextIO

from assay.conformance.checking import check
from assay.conformance.cli.arguments import count, names, seconds, trait, whole_number
from assay.conformance.devices import quieten_environment, quieten_python, set_up_devices, usable_cpus
from assay.conformance.importing import SubjectSpec, split_spec
from assay.conformance.isolation import check_isolated
from assay.conformance.isolation.protocol import Request
from assay.conformance.model.errors import UsageError
from assay.conformance.model.expectations import Expectation
from assay.conformance.model.kinds import Kind, parse_kind
from assay.conformance.model.report import Report
from assay.conformance.model.traits import check_traits
from assay.conformance.model.vocabulary import Mode, Target, members
from assay.conformance.project import Project, find_project, read_expectations
from assay.conformance.quiet import silenced
from assay.conformance.registry import select_rules
from assay.conformance.replay.reading import read_report
from assay.conformance.reports.files import prepare
from assay.conformance.reports.html import write_html
from assay.conformance.reports.junit import write_junit
from assay.conformance.reports.progress import progress
from assay.conformance.reports.schema import as_json, write_json
from assay.conformance.reports.table import print_durations, print_report
from assay.conformance.reports.terminal import make_console
from assay.conformance.targets.tpu.topologies import DEFAULT_TOPOLOGY, TOPOLOGIES, parse_topology
from assay.conformance.timing import DEFAULT_TIMEOUT

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
    parser.add_argument(
        "--sample", metavar="MODULE:NAME", help="a function that returns a sample (losses, metrics, input pipelines)"
    )
    parser.add_argument(
        "--trait",
        action="append",
        default=[],
        type=trait,
        metavar="NAME[=VALUE]",
        help="declare a trait; VALUE is JSON or text",
    )
    parser.add_argument(
        "--target", type=names, default=(Target.CPU.value,), metavar="cpu,gpu,tpu", help="the targets (default: cpu)"
    )
    parser.add_argument(
        "--tpu-topology",
        default=DEFAULT_TOPOLOGY.name,
        metavar="NAME",
        help=f"the TPU to compile for where there is none: {', '.join(TOPOLOGIES)}, with or without the shape "
        f"of a slice, as in v6e:2x4 (default: {DEFAULT_TOPOLOGY.name})",
    )
    parser.add_argument("--mode", type=names, metavar="MODES", help=f"only these modes: {', '.join(Mode)}")
    parser.add_argument(
        "--select", type=names, metavar="RULES", help="only these rules: ids or slugs, separated by commas"
    )
    parser.add_argument("--ignore", type=names, metavar="RULES", help="all rules but these")
    parser.add_argument("--strict", action="store_true", help="let SHOULD rules and rules that could not run count")
    parser.add_argument("--expectations", metavar="FILE", help="a TOML file with known failures, each with its reason")
    parser.add_argument("--seed", type=int, default=0, help="where all randomness starts from (default: 0)")
    parser.add_argument(
        "--max-examples", type=count, metavar="N", help="cases a property search looks at (default: each rule's own)"
    )
    parser.add_argument(
        "--timeout",
        type=seconds,
        default=DEFAULT_TIMEOUT,
        metavar="SECONDS",
        help=f"time budget of one check; 0 for none (default: {DEFAULT_TIMEOUT:g})",
    )
    parser.add_argument(
        "--jobs",
        type=count,
        default=min(2, usable_cpus()),
        metavar="N",
        help="processes that share the rules of a Task, on the CPU alone (default: 2 where there are two cores)",
    )
    parser.add_argument(
        "--isolate", action="store_true", help="check each subject in a process of its own, and survive its death"
    )
    parser.add_argument(
        "--merge-replay",
        action="append",
        default=[],
        metavar="FILE",
        help="fold in the report of a replay on another device (assay replay); may be given several times",
    )
    parser.add_argument("--json", metavar="FILE", help="write the report as JSON as well; - prints only that")
    parser.add_argument("--junit", metavar="FILE", help="write the report as JUnit XML as well")
    parser.add_argument("--html", metavar="FILE", help="write the report as one self-contained page as well")
    parser.add_argument(
        "--durations", type=whole_number, metavar="N", help="print the N checks that took longest; 0 prints all"
    )
    parser.add_argument(
        "-v", "--verbose", action="store_true", help="show every rule and why it does not apply; let TensorFlow talk"
    )
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
    _refuse_mistakes(options)
    specs = _specs(options, project)
    quieten_environment()
    with silenced(active=not options.verbose) as out:
        # JSON alone goes where a program reads it: nothing else is written there.
        with nullcontext() if options.json == "-" else progress(make_console(out)) as on_result:
            report = (_in_own_processes if options.isolate else _in_this_process)(
                specs,
                options,
                expectations=expectations,
                strict=options.strict,
                merge_replays=options.merge_replay,
                on_result=on_result,
            )
        _write(report, options, out)
    return 0 if report.conformant else 1


def _in_this_process(specs: list[SubjectSpec], options: argparse.Namespace, **passed: Any) -> Report:
    targets = members(Target, options.target)
    set_up_devices(targets, hide_others=True)
    if not options.verbose:
        quieten_python()
    return check(
        [subject for spec in specs for subject in spec.load()],
        targets=targets,
        modes=options.mode,
        select=options.select,
        ignore=options.ignore,
        seed=options.seed,
        max_examples=options.max_examples,
        tpu_topology=options.tpu_topology,
        timeout=options.timeout,
        jobs=options.jobs,
        **passed,
    )


def _in_own_processes(specs: list[SubjectSpec], options: argparse.Namespace, **passed: Any) -> Report:
    requests = [
        Request(
            spec=spec,
            targets=options.target,
            modes=options.mode,
            select=options.select,
            ignore=options.ignore,
            seed=options.seed,
            max_examples=options.max_examples,
            tpu_topology=options.tpu_topology,
            timeout=options.timeout,
            verbose=options.verbose,
        )
        for spec in specs
    ]
    return check_isolated(requests, **passed)


def _refuse_mistakes(options: argparse.Namespace) -> None:
    """Say what is wrong with the options at once, before TensorFlow takes seconds to start.

    Raises:
      UsageError: If a rule, kind, trait, target or mode is unknown, a subject is written in another form, or a file
        for a report could not be written.
    """
    select_rules((), select=options.select, ignore=options.ignore)
    check_traits(dict(options.trait), kind=parse_kind(options.kind) if options.kind else None)
    members(Target, options.target)
    parse_topology(options.tpu_topology)
    members(Mode, options.mode or ())
    for path in options.merge_replay:
        read_report(Path(path))
    for spec in (*options.subjects, *([options.sample] if options.sample else [])):
        split_spec(spec)
    for path, _ in _files(options):
        prepare(path)


def _specs(options: argparse.Namespace, project: Project | None) -> list[SubjectSpec]:
    """What is to be checked: what the command line names, else what the project file does."""
    kind = parse_kind(options.kind).value if options.kind else None
    if options.subjects:
        return [
            SubjectSpec(spec=spec, kind=kind, sample=options.sample, traits=dict(options.trait))
            for spec in options.subjects
        ]
    assert project is not None
    return project.specs()


def _write(report: Report, options: argparse.Namespace, out: TextIO) -> None:
    """Print the report, and write the files that were asked for."""
    if options.json == "-":
        out.write(as_json(report))
    else:
        console = make_console(out)
        print_report(report, console, verbose=options.verbose)
        if options.durations is not None:
            print_durations(report, console, count=options.durations)
    refusals = []
    for path, write in _files(options):
        try:
            write(report, path)
        except UsageError as error:
            refusals.append(str(error))
    if refusals:
        raise UsageError(" ".join(refusals))


def _files(options: argparse.Namespace) -> list[tuple[Path, Callable[[Report, Path], None]]]:
    """The files that were asked for, each with what writes it."""
    asked = ((options.json, write_json), (options.junit, write_junit), (options.html, write_html))
    return [(Path(path), write) for path, write in asked if path and path != "-"]


def _expectations(options: argparse.Namespace, project: Project | None) -> tuple[Expectation, ...]:
    own = project.expectations if project is not None else ()
    return own + (read_expectations(Path(options.expectations)) if options.expectations else ())
