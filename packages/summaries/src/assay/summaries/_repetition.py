"""The warning about values that are there already."""

import sys
import warnings
from collections.abc import Sequence

from assay.summaries._errors import DroppedSummaryWarning

PACKAGE = __package__ or "assay.summaries"


def warn_dropped(where: str, step: int, last_step: int | None, dropped: Sequence[str]) -> None:
    """Warn, at the line outside this package that called, that values were dropped.

    Args:
        where: The directory or file that holds them.
        step: The step of the values.
        last_step: The last step that is there.
        dropped: The tags, at least one.
    """
    warnings.warn(
        f"Summaries of step {step} were dropped: {where} already holds step {last_step} ({len(dropped)} values, the "
        f"first is {dropped[0]!r}). What follows up to that step is dropped too. A run that starts over needs a "
        "directory of its own.",
        DroppedSummaryWarning,
        stacklevel=_frames_to_the_caller(),
    )


def _frames_to_the_caller() -> int:
    """The stack level, counted from `warn_dropped`, of the first frame that is not this package's."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and _is_ours(frame.f_globals.get("__name__", "")):
        level, frame = level + 1, frame.f_back
    return level


def _is_ours(module: str) -> bool:
    return module == PACKAGE or module.startswith(f"{PACKAGE}.")
