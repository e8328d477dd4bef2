"""Silence at the level of file descriptors: native code writes to 1 and 2 without asking Python."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import TextIO

_STDOUT, _STDERR = 1, 2


@contextlib.contextmanager
def silenced(*, active: bool = True) -> Iterator[TextIO]:
    """Throw away what is written to both standard streams, and yield a stream that still reaches standard output.

    ```python
    with silenced() as out:
        import tensorflow  # says nothing
        print("done", file=out)
    ```

    Args:
      active: False leaves everything as it is and yields `sys.stdout`.

    Yields:
      A text stream on what was standard output.
    """
    if not active or not _are_descriptors():
        yield sys.stdout
        return
    _flush()
    kept = os.dup(_STDOUT), os.dup(_STDERR)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    with os.fdopen(os.dup(_STDOUT), "w", encoding=encoding, errors="replace", buffering=1) as out:
        os.dup2(nowhere, _STDOUT)
        os.dup2(nowhere, _STDERR)
        try:
            yield out
        finally:
            _flush()
            os.dup2(kept[0], _STDOUT)
            os.dup2(kept[1], _STDERR)
            for descriptor in (*kept, nowhere):
                os.close(descriptor)


def _are_descriptors() -> bool:
    """Whether Python's own streams write to descriptors 1 and 2; a test's captured ones do not."""
    try:
        return (sys.stdout.fileno(), sys.stderr.fileno()) == (_STDOUT, _STDERR)
    except (AttributeError, OSError, ValueError):
        return False


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
