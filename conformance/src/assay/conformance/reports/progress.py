"""What is being checked right now, on a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from assay.conformance.model.result import Result
from rich.console import Console


@contextmanager
def progress(console: Console) -> Iterator[Callable[[Result], None] | None]:
    """Show the last result on a terminal while the block runs; nothing elsewhere.

    Args:
      console: Where to.

    Yields:
      A function to call with each result, for `check(..., on_result=...)`; None when nothing is shown.
    """
    if not console.is_terminal:
        yield None
        return
    with console.status("checking") as status:

        def on_result(result: Result) -> None:
            status.update(f"{result.subject}: {result.rule} {result.slug} ({result.mode}) {result.outcome}")

        yield on_result
