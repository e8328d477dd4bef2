"""`assay rules`: the list of rules."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from assay.conformance.model.kinds import Kind, parse_kind
from assay.conformance.model.rule import Rule
from assay.conformance.registry import all_rules
from assay.conformance.reports.terminal import make_console
from rich.table import Table


def add_command(commands: Any) -> None:
    """Add the command and its arguments to the parser."""
    parser = commands.add_parser("rules", help="list the rules", description="List the rules, by kind and id.")
    parser.add_argument("--kind", help=f"only the rules of a kind: {', '.join(Kind)}")
    parser.add_argument("--json", action="store_true", help="print them as JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the rules.

    Raises:
      UsageError: If the kind is unknown; the nearest is suggested.
    """
    kind = parse_kind(options.kind) if options.kind else None
    rules = [entry.rule for entry in all_rules() if kind in (None, entry.rule.kind)]
    if options.json:
        sys.stdout.write(json.dumps([_as_dict(rule) for rule in rules], indent=2) + "\n")
        return 0
    _print_table(rules)
    return 0


def _print_table(rules: list[Rule]) -> None:

    console = make_console(sys.stdout)
    for kind in dict.fromkeys(rule.kind for rule in rules):
        table = Table(title=kind.heading, title_justify="left", title_style="bold", box=None, pad_edge=False)
        for column in ("rule", "slug", "level"):
            table.add_column(column, no_wrap=True)
        table.add_column("requirement")
        for rule in rules:
            if rule.kind is kind:
                table.add_row(rule.id, rule.slug, rule.level.value, rule.requirement)
        console.print(table)
        console.print()
    noun = "rule" if len(rules) == 1 else "rules"
    console.print(f"{len(rules)} {noun}. `assay explain RULE` prints a rule's page.")


def _as_dict(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "slug": rule.slug,
        "kind": rule.kind.value,
        "level": rule.level.value,
        "requirement": rule.requirement,
        "modes": [mode.value for mode in rule.modes],
        "targets": [target.value for target in rule.targets],
        "traits": list(rule.traits),
    }
