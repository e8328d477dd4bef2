"""`assay explain`: what a rule checks, why it matters, a bad and a good example, and the traits that change it."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from assay.conformance.registry import find_rules
from assay.conformance.reports.pages import rule_page
from assay.conformance.reports.terminal import make_console


def add_command(commands: Any) -> None:
    """Add the command and its arguments to the parser."""
    parser = commands.add_parser(
        "explain", help="say what a rule checks, why, and how to obey it", description="Print the page of a rule."
    )
    parser.add_argument("rules", nargs="+", metavar="RULE", help="an id or a slug: T104, optimizer-once")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the page of each rule that was named.

    Raises:
      UsageError: If a rule is unknown; the nearest is suggested.
    """
    entries = [entry for name in options.rules for entry in find_rules(name)]
    console = make_console(sys.stdout)
    for number, entry in enumerate(entries):
        page = rule_page(entry)
        if console.is_terminal:
            from rich.markdown import Markdown  # its parser is not needed elsewhere

            console.print(Markdown(page))
        else:
            sys.stdout.write(("\n" if number else "") + page)
    return 0
