"""`assay bundle`: export the compiled functions of a subject's checks, to be replayed where an accelerator is."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Any

from assay.conformance.bundles.manifest import Manifest
from assay.conformance.cli.arguments import names, seconds, trait
from assay.conformance.importing import SubjectSpec, split_spec
from assay.conformance.model.errors import UsageError
from assay.conformance.model.kinds import Kind, parse_kind
from assay.conformance.model.traits import check_traits
from assay.conformance.quiet import silenced
from assay.conformance.registry import select_rules
from assay.conformance.reports.terminal import make_console
from assay.conformance.timing import DEFAULT_TIMEOUT

_DESCRIPTION = """\
Export the compiled functions that the checks of SUBJECT call (a loss and its gradients, the update and the result of a
metric, the steps of a Task) as StableHLO, with their inputs, what the CPU computes, and what float64 gives.

`assay replay DIR` runs them on any accelerator that jax sees, without TensorFlow; `assay check --merge-replay FILE`
takes its report over. SUBJECT is as for `assay check`; of a list, each subject gets a folder of its own in DIR.
"""


def add_command(commands: Any) -> None:
    """Add the command and its arguments to the parser."""
    parser = commands.add_parser(
        "bundle",
        help="export what the checks of a subject compile, to replay it on an accelerator",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("subject", metavar="SUBJECT", help="package.module:attr or path/file.py:attr")
    parser.add_argument("--out", metavar="DIR", type=Path, required=True, help="the folder to write")
    parser.add_argument("--kind", help=f"the kind, where it cannot be inferred: {', '.join(Kind)}")
    parser.add_argument("--sample", metavar="MODULE:NAME", help="a function that returns a sample")
    parser.add_argument(
        "--trait", action="append", default=[], type=trait, metavar="NAME[=VALUE]", help="declare a trait"
    )
    parser.add_argument(
        "--select",
        type=names,
        metavar="RULES",
        help="only what these rules call (default: all rules about accelerators; of a Task, T402)",
    )
    parser.add_argument("--ignore", type=names, metavar="RULES", help="all rules but these")
    parser.add_argument("--seed", type=int, default=0, help="where all randomness starts from (default: 0)")
    parser.add_argument(
        "--timeout", type=seconds, default=DEFAULT_TIMEOUT, metavar="SECONDS", help="time budget of one check"
    )
    parser.add_argument(
        "--no-reference", action="store_true", help="leave out what float64 gives, which takes a second compilation"
    )
    parser.add_argument("-v", "--verbose", action="store_true", help="let TensorFlow talk")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Write the bundles of what the options name.

    Returns:
      0 when each subject has a bundle.

    Raises:
      UsageError: If a subject cannot be imported, or nothing of it can be exported.
    """
    from assay.conformance.bundles.making import KINDS, make_bundle
    from assay.conformance.checking import as_subjects
    from assay.conformance.devices import quieten_environment, quieten_python, set_up_devices

    select_rules((), select=options.select, ignore=options.ignore)
    check_traits(dict(options.trait), kind=parse_kind(options.kind) if options.kind else None)
    for spec in (options.subject, *([options.sample] if options.sample else [])):
        split_spec(spec)
    quieten_environment()
    with silenced(active=not options.verbose) as out:
        console = make_console(out)
        set_up_devices(hide_others=True)
        if not options.verbose:
            quieten_python()
        spec = SubjectSpec(
            spec=options.subject,
            kind=parse_kind(options.kind).value if options.kind else None,
            sample=options.sample,
            traits=dict(options.trait),
        )
        subjects = as_subjects(list(spec.load()), kind=None, sample=None, traits=None)
        left_out = []
        for subject in subjects:
            if len(subjects) > 1 and subject.kind not in KINDS:
                left_out.append(f"{subject.name}: it runs no compiled functions")
                continue
            folder = options.out if len(subjects) == 1 else options.out / _folder_name(subject.name)
            try:
                manifest, size = make_bundle(
                    subject,
                    folder,
                    select=options.select,
                    ignore=options.ignore,
                    seed=options.seed,
                    timeout=options.timeout or None,
                    references=not options.no_reference,
                )
            except UsageError as error:
                if len(subjects) == 1:
                    raise
                left_out.append(str(error))
                continue
            console.print(_told(manifest, folder, size), soft_wrap=True)
        for why in left_out:
            console.print(f"left out: {why}", soft_wrap=True)
        if len(left_out) == len(subjects):
            raise UsageError("Nothing was exported.")
    return 0


def _told(manifest: Manifest, folder: Path, size: int) -> str:
    rules = dict.fromkeys(rule for program in manifest.programs for case in program.cases for rule in case.rules)
    told = (
        f"{manifest.subject['name']}: {len(manifest.programs)} programs, {manifest.cases} calls of "
        f"{', '.join(sorted(rules))}; {size / 2**20:.1f} MiB in {folder}"
    )
    return "\n".join([told, *(f"  left out {rule}: {why}" for rule, why in manifest.left_out.items())])


def _folder_name(name: str) -> str:
    """A name that is one on every file system."""
    return re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-").lower() or "subject"
