"""A summary manager for runs that keep no summaries."""

from collections.abc import Mapping
from typing import Any

from assay.summaries._interface import SummaryManagerInterface
from assay.summaries._tensorflow import tensorflow


class NullSummaryManager(SummaryManagerInterface):
    """Takes everything, looks at nothing and writes no file."""

    def write_summaries(self, summary_dict: Mapping[str, Any]) -> None:
        """Do nothing."""

    def summary_writer(self, relative_path: str = "") -> Any:
        """A writer that writes nothing."""
        del relative_path
        return tensorflow().summary.create_noop_writer()

    def flush(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""
