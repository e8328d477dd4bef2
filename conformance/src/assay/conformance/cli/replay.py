"""`assay replay`: the command of `assay.conformance.replay`, which starts without TensorFlow."""

from __future__ import annotations

import argparse
from typing import Any


def add_command(commands: Any) -> None:
    """Add the command and its arguments to the parser."""
    from assay.conformance.replay.command import DESCRIPTION, add_arguments

    parser = commands.add_parser(
        "replay",
        help="run a bundle on the accelerator that jax sees",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_arguments(parser)
