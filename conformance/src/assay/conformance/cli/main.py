"""The entry point: arguments to a command, and a command's outcome to an exit code."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from assay.conformance.cli import bundle, check, explain, plugins, replay, rules
from assay.conformance.model.errors import UsageError

EXIT_CONFORMANT = 0
EXIT_VIOLATION = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
      arguments: The arguments after the command's name; those of the process when None.

    Returns:
      0 conformant (or the question was answered), 1 a violation, 2 a usage error, 130 interrupted.
    """
    options = _parser().parse_args(arguments)
    try:
        return options.run(options)
    except UsageError as error:
        print(f"assay: {error}", file=sys.stderr)
        return EXIT_USAGE
    except KeyboardInterrupt:
        print("assay: interrupted; nothing was decided.", file=sys.stderr)
        return EXIT_INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="assay",
        description="Check custom TensorFlow training components against the rules that a training loop relies on.",
        epilog="Exit codes: 0 conformant, 1 a violation, 2 a usage error.",
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    check.add_command(commands)
    explain.add_command(commands)
    rules.add_command(commands)
    bundle.add_command(commands)
    replay.add_command(commands)
    plugins.add_commands(commands)
    return parser
