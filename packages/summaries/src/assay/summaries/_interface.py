"""What the training loop, and anything else that logs, may expect of a summary manager."""

import abc
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self


class SummaryManagerInterface(abc.ABC):
    """Writes nested dicts of values.

    Forbidden: to write a tag twice at one step, to let the steps of a directory go back, to write outside the summary
    directory, and to write a part of a dict of which another part is refused.
    """

    @abc.abstractmethod
    def write_summaries(self, summary_dict: Mapping[str, Any]) -> None:
        """Write every value of a nested mapping at the current step; a nested mapping becomes a subdirectory."""

    @abc.abstractmethod
    def summary_writer(self, relative_path: str = "") -> Any:
        """The `tf.summary.SummaryWriter` of a subdirectory, for example for `tf.summary.image`; always the same one."""

    @abc.abstractmethod
    def flush(self) -> None:
        """Make everything that was written readable by other processes, also if this one is killed right after."""

    @abc.abstractmethod
    def close(self) -> None:
        """Flush and end writing. Closing again does nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
