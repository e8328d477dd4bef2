"""`assay new task NAME --template TEMPLATE`: the command, which `assay` finds by its entry point."""

import argparse
import sys
from pathlib import Path
from typing import Any

from assay.reference_tasks.templates.errors import NewTaskError
from assay.reference_tasks.templates.project import make_project, write_project
from assay.reference_tasks.templates.registry import TEMPLATES, find_template

EXIT_USAGE = 2

_NEXT = """\
Wrote {folder}, {count} files, from the template {template}. Next:

  cd {folder}
  pip install -e '.[test]'
  assay check                        # every rule of the contract, on a small instance of your task
  assay-train --experiment={name} --mode=train_and_eval --model_dir=runs/{name}

It runs on a little generated data; README.md says how to put your own in its place.
"""


def add_command(commands: Any) -> None:
    """Add the command `new` to the parser of `assay`; see `assay.conformance.cli.plugins`."""
    parser = commands.add_parser(
        "new", help="start a Task of your own from a template", description="Make something new from a template."
    )
    kinds = parser.add_subparsers(title="what to make", metavar="KIND", required=True)
    task = kinds.add_parser(
        "task",
        help="a package with a Task, its configuration, data to replace, and its conformance test",
        description="Write a new package in a folder NAME: the source of a reference task under names of your own.",
    )
    task.add_argument("name", metavar="NAME", help="name of the package and its experiment: birds, my_birds")
    task.add_argument("--template", required=True, metavar="TEMPLATE", help=f"one of: {', '.join(TEMPLATES)}")
    task.add_argument(
        "--output", type=Path, default=Path(), metavar="DIR", help="where the folder NAME is made (default: here)"
    )
    task.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Write the package and say what comes next; returns the exit code."""
    try:
        template = find_template(options.template)
        files = make_project(options.name, template)
        folder = options.output / options.name
        write_project(files, folder)
    except NewTaskError as error:
        print(f"assay: {error}", file=sys.stderr)
        return EXIT_USAGE
    print(_NEXT.format(folder=folder, count=len(files), template=template.name, name=options.name), end="")
    return 0
