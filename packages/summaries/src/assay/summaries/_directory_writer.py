"""One directory of event files: its writer, and what it holds."""

import warnings
from collections.abc import Sequence
from typing import Any

from assay.summaries._errors import DroppedSummaryWarning
from assay.summaries._history import read_history
from assay.summaries._tensorflow import tensorflow

# Frames between `warnings.warn` here and the line of the caller of `write_summaries`.
STACK_LEVEL = 6


class DirectoryWriter:
    """Writes to one directory through one event file, each tag and step once.

    Args:
        directory: Made with its event file, by TensorFlow.
    """

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._history = read_history(directory)
        self._warned = False
        self.writer: Any = tensorflow().summary.create_file_writer(directory)

    def admit(self, tags: Sequence[str], step: int) -> list[str]:
        """The tags that may be written at a step; they count as written then. Dropped ones are warned of.

        One warning covers all that is dropped until the directory grows again.
        """
        admitted = [tag for tag in tags if self._history.accepts(tag, step)]
        if len(admitted) < len(tags) and not self._warned:
            dropped = [tag for tag in tags if tag not in admitted]
            warnings.warn(
                f"Summaries of step {step} were dropped: {self._directory} already holds step "
                f"{self._history.last_step} ({len(dropped)} values, the first is {dropped[0]!r}). What follows up to "
                "that step is dropped too. A run that starts over needs a directory of its own.",
                DroppedSummaryWarning,
                stacklevel=STACK_LEVEL,
            )
        self._warned = len(admitted) < len(tags)
        for tag in admitted:
            self._history.add(tag, step)
        return admitted

    def flush(self) -> None:
        """Hand everything to the operating system."""
        self.writer.flush()

    def close(self) -> None:
        """Flush and close the event file."""
        self.writer.close()
