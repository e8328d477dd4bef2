"""Several summary managers behind one.

```python
from assay.summaries import JSONLinesSummaryManager, SummaryManager, TeeSummaryManager

managers = [SummaryManager("runs/tee", global_step=1), JSONLinesSummaryManager("runs/tee/lines", global_step=1)]
with TeeSummaryManager(managers) as manager:
    manager.write_summaries({"loss": 0.5})
```
"""

import contextlib
import functools
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from assay.summaries._interface import SummaryManagerInterface
from assay.summaries._manager import SummaryManager
from assay.summaries._tensorflow import tensorflow


class TeeSummaryManager(SummaryManagerInterface):
    """Hands everything to each of its managers.

    All managers of this package check a dict before any of them writes, so that a refused one is written nowhere.
    Managers of another make, which only have `write_summaries` and `flush`, write first; what one of them refuses is
    not written by those after it.

    Args:
        managers: At least one. Those of event files need directories of their own.

    Raises:
        ValueError: If there is no manager, or two write to one directory.
        TypeError: If one has no method `write_summaries`.
    """

    def __init__(self, managers: Iterable[Any]) -> None:
        self._managers = tuple(managers)
        if not self._managers:
            raise ValueError("`managers` is empty: expected at least one summary manager.")
        seen: set[tuple[type, str]] = set()
        for manager in self._managers:
            if not callable(getattr(manager, "write_summaries", None)):
                raise TypeError(
                    f"`managers` must have a method write_summaries. Received a {type(manager).__name__} without one."
                )
            directory = getattr(manager, "summary_dir", None)
            if directory is None:
                continue
            make = SummaryManager if isinstance(manager, SummaryManager) else type(manager)
            place = (make, os.path.abspath(os.fspath(directory)))
            if place in seen:
                raise ValueError(f"Two of `managers` write to {directory!r}; give each a directory of its own.")
            seen.add(place)

    @property
    def managers(self) -> tuple[Any, ...]:
        """The managers, in the order given."""
        return self._managers

    def write_summaries(self, summary_dict: Mapping[str, Any]) -> None:
        """Let each manager write the dict.

        Raises:
            UnwritableSummaryError: If a manager cannot write it all; no manager of this package has written then.
        """
        self.prepare_summaries(summary_dict)()

    def prepare_summaries(self, summary_dict: Mapping[str, Any]) -> Callable[[], None]:
        """Let each manager check the dict, and return the function that lets each write it."""
        prepared, unprepared = [], []
        for manager in self._managers:
            prepare = getattr(manager, "prepare_summaries", None)
            if callable(prepare):
                prepared.append(prepare(summary_dict))
            else:
                unprepared.append(functools.partial(manager.write_summaries, summary_dict))

        def write() -> None:
            for part in (*unprepared, *prepared):
                part()

        return write

    def summary_writer(self, relative_path: str = "") -> Any:
        """The writer of the first manager that has one; one that writes nothing when none has."""
        for manager in self._managers:
            if callable(getattr(manager, "summary_writer", None)):
                return manager.summary_writer(relative_path)
        return tensorflow().summary.create_noop_writer()

    def flush(self) -> None:
        """Flush every manager, also when one of them fails."""
        self._for_each("flush")

    def close(self) -> None:
        """Close every manager, also when one of them fails."""
        self._for_each("close")

    def _for_each(self, name: str) -> None:
        with contextlib.ExitStack() as calls:
            for manager in reversed(self._managers):
                method = getattr(manager, name, None)
                if callable(method):
                    calls.callback(method)
