"""The console that reports are printed on: as wide as the terminal, and wide enough for a table in a log file."""

from __future__ import annotations

import os
from typing import TextIO

from rich.console import Console

_LOG_WIDTH = 110


def make_console(file: TextIO) -> Console:
    """Return a console on a stream; a stream that is no terminal has neither colour nor a terminal's width."""
    width = None if file.isatty() or "COLUMNS" in os.environ else _LOG_WIDTH
    return Console(file=file, width=width, highlight=False, markup=False, emoji=False)
