"""What the training loop, and anything else that logs, may expect of a summary manager."""

import abc
import functools
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self


class SummarySink(abc.ABC):
    """Takes nested dicts of values; what all managers of this package have in common.

    Forbidden: to write a tag twice at one step, to let the steps of a directory go back, to write outside the summary
    directory, and to write a part of a dict of which another part is refused.
    """

    @abc.abstractmethod
    def write_summaries(self, summary_dict: Mapping[str, Any]) -> None:
        """Write every value of a nested mapping at the current step; a nested mapping is a group of its own."""

    def prepare_summaries(self, summary_dict: Mapping[str, Any]) -> Callable[[], None]:
        """Check a dict and return the function that writes it.

        So several managers can agree before the first of them writes. By default nothing is checked until then.
        """
        return functools.partial(self.write_summaries, summary_dict)

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


class SummaryManagerInterface(SummarySink):
    """A sink that also gives TensorFlow's own writer, for the `tf.summary` operations of a step."""

    @abc.abstractmethod
    def summary_writer(self, relative_path: str = "") -> Any:
        """The `tf.summary.SummaryWriter` of a subdirectory, for example for `tf.summary.image`; always the same one."""
