"""Writing a report to a file: whole or not at all."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from assay.conformance.model.errors import UsageError


def prepare(path: Path) -> None:
    """Make the folders above a file, and see that it can be written: better before an hour of checks than after it.

    Raises:
      UsageError: If it cannot be written; the sentence says why.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as exception:
        raise _refusal(path, exception.strerror) from exception
    if path.is_dir():
        raise _refusal(path, "It is a folder")
    if not os.access(path.parent, os.W_OK):
        raise _refusal(path, "Permission denied")


def write_whole(path: Path, text: str) -> None:
    """Write text to a file so that a reader sees the old file or the new one; folders above it are made.

    Args:
      path: The file.
      text: What it is to hold.

    Raises:
      UsageError: If the file cannot be written; the sentence says why.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    except OSError as exception:
        with contextlib.suppress(OSError):
            partial.unlink()
        raise _refusal(path, exception.strerror) from exception


def _refusal(path: Path, why: str | None) -> UsageError:
    return UsageError(f"The report cannot be written to {path}: {why or 'no reason was given'}.")
