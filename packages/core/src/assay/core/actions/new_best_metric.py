"""A condition that holds when a metric is better than ever before."""

import math
from collections.abc import Callable
from typing import Any

from assay.core.actions.persisted_value import JSONPersistedValue
from assay.core.runner import Output, get_value

Metric = str | Callable[[Output], float]
"""The name of a scalar among the logs (`a/b` for a nested one), or a function that computes it from them."""


class NewBestMetric:
    """Says whether a metric is the best so far, and remembers it if so. NaN is never best.

    Calling it is `test` followed, if that says True, by `commit`. Use these when the value is to be remembered only
    after something else has worked.

    Args:
        metric: What is compared.
        higher_is_better: Whether more is better.
        filename: A JSON file that keeps the best value over restarts; None for none.
        write_metric: Whether the file is written, or only read.
    """

    def __init__(
        self, metric: Metric, *, higher_is_better: bool = True, filename: str | None = None, write_metric: bool = True
    ) -> None:
        self.metric = metric
        self.higher_is_better = higher_is_better
        self._best = JSONPersistedValue(None, filename, write_value=write_metric)

    def __call__(self, output: Output) -> bool:
        """Say whether the metric in these logs is the best so far, and remember it if so."""
        if not self.test(output):
            return False
        self.commit(output)
        return True

    @property
    def best_value(self) -> float | None:
        """The best value so far; None before the first."""
        return self._best.read()

    def metric_value(self, output: Output) -> float:
        """Return the metric from logs, as a plain number.

        Raises:
            KeyError: There is no metric of this name.
        """
        value: Any = output
        if callable(self.metric):
            value = self.metric(output)
        else:
            for name in self.metric.split("/") if self.metric not in output else [self.metric]:
                if not isinstance(value, dict) or name not in value:
                    raise KeyError(
                        f"There is no metric {self.metric!r} among the logs; there are: {', '.join(map(repr, output))}."
                    )
                value = value[name]
        return float(get_value(value))

    def is_better_than(self, value: float, other: float | None) -> bool:
        """Say whether `value` is better than `other`: NaN never is, and any other number is better than None."""
        if math.isnan(value):
            return False
        if other is None or math.isnan(other):
            return True
        return value > other if self.higher_is_better else value < other

    def test(self, output: Output) -> bool:
        """Say whether the metric in these logs is the best so far; remember nothing."""
        return self.is_better_than(self.metric_value(output), self.best_value)

    def commit(self, output: Output) -> None:
        """Remember the metric in these logs, better or not."""
        self._best.write(self.metric_value(output))
