"""Commands that other packages add to `assay`.

A package names, in its `pyproject.toml`, a function under the command's name:

```toml
[project.entry-points."assay.commands"]
new = "mypackage.command:add_command"
```

The function takes what `argparse.ArgumentParser.add_subparsers` returned, adds a parser of that name, and sets its
default `run` to a function from the parsed options to the exit code.
"""

from __future__ import annotations

import argparse
import importlib.metadata
from collections.abc import Callable, Mapping
from typing import Any

from assay.conformance.model.errors import UsageError

ENTRY_POINT_GROUP = "assay.commands"

COMMANDS_ELSEWHERE: Mapping[str, tuple[str, str]] = {
    "new": ("assay-reference-tasks", "start a Task of your own from a template"),
}
"""Commands that belong to `assay` and come with another distribution: which one, and what the command does."""

_ANY_ARGUMENT = "\0"  # no argument begins with it, so that none is taken for an option


def add_commands(commands: Any) -> None:
    """Add the commands of installed packages, and a way to get those that belong here and are not installed.

    A command that cannot be loaded says so when it is called, and disturbs no other.
    """
    for entry_point in importlib.metadata.entry_points(group=ENTRY_POINT_GROUP):
        if entry_point.name in commands.choices:
            continue
        try:
            entry_point.load()(commands)
        except Exception as error:
            reason = f"the command {entry_point.name!r} cannot be loaded from {entry_point.value}: {error}"
            _add_refusal(commands, entry_point.name, "cannot be loaded", reason)
    for name, (distribution, purpose) in COMMANDS_ELSEWHERE.items():
        if name not in commands.choices:
            reason = f"`assay {name}` comes with another package: pip install {distribution}"
            _add_refusal(commands, name, f"{purpose} (pip install {distribution})", reason)


def _add_refusal(commands: Any, name: str, purpose: str, reason: str) -> None:
    """Add a command that takes any arguments and says why it cannot run."""
    parser = commands.add_parser(name, help=purpose, prefix_chars=_ANY_ARGUMENT, add_help=False)
    parser.add_argument("arguments", nargs="*")
    parser.set_defaults(run=_refusing(reason))


def _refusing(reason: str) -> Callable[[argparse.Namespace], int]:
    def run(options: argparse.Namespace) -> int:
        raise UsageError(reason)

    return run
