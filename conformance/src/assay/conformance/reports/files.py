"""Writing a report to a file: whole or not at all."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from assay.conformance.model.errors import UsageError


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
        raise UsageError(f"The report cannot be written to {path}: {exception.strerror}.") from exception
