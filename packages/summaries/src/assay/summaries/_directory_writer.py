"""One directory of event files: its writer, and what it holds."""

from collections.abc import Sequence
from typing import Any

from assay.summaries._history import read_history
from assay.summaries._repetition import warn_dropped
from assay.summaries._tensorflow import tensorflow


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
            warn_dropped(self._directory, step, self._history.last_step, dropped)
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
