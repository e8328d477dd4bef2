"""The protocol of metrics that are computed on the host, and a base class that keeps its promises.

```python
import numpy as np
from assay.python_metrics import UNDEFINED, BaseHostMetric


class MeanDistance(BaseHostMetric):
    required_groundtruths = ("value",)
    required_predictions = ("value",)

    def reset_state(self):
        self.total, self.count = 0.0, 0

    def update(self, groundtruths, predictions):
        errors = np.abs(groundtruths["value"] - predictions["value"])
        self.total, self.count = self.total + float(errors.sum()), self.count + errors.size

    def merge(self, other):
        self.total, self.count = self.total + other.total, self.count + other.count

    def result(self):
        return {self.name: self.total / self.count if self.count else UNDEFINED}
```
"""

import abc
from collections.abc import Mapping
from typing import Any, ClassVar, Protocol, Self, runtime_checkable

import numpy as np
from assay.python_metrics._arrays import to_array
from assay.python_metrics._errors import MissingFieldError

# What a number is that the data does not define (an average over nothing): a JSON number, and no valid score.
UNDEFINED = -1.0


@runtime_checkable
class HostMetric(Protocol):
    """A metric that is fed with batches of NumPy arrays and gives a flat dict of numbers."""

    @property
    def name(self) -> str:
        """Name of the metric."""

    def update_state(self, groundtruths: Any, predictions: Any) -> None:
        """Add a batch. Inputs are not modified; on an error the state is as it was."""

    def result(self) -> dict[str, float]:
        """The numbers over all batches so far, plain floats. Changes nothing: asking twice gives the same."""

    def reset_state(self) -> None:
        """Forget all batches."""

    def merge_state(self, other: Self) -> None:
        """Add the batches of another metric of the same kind and options, which stays as it is."""


class BaseHostMetric(abc.ABC):
    """A `HostMetric` whose subclasses see only complete batches of read-only arrays.

    A subclass declares the fields that it needs and implements `update`, `merge`, `result` and `reset_state`. `update`
    must check everything before it changes the state.

    Args:
        name: Name of the metric.
    """

    required_groundtruths: ClassVar[tuple[str, ...]] = ()
    required_predictions: ClassVar[tuple[str, ...]] = ()
    optional_groundtruths: ClassVar[tuple[str, ...]] = ()
    optional_predictions: ClassVar[tuple[str, ...]] = ()

    def __init__(self, *, name: str) -> None:
        self._name = name
        self.reset_state()

    @property
    def name(self) -> str:
        """Name of the metric."""
        return self._name

    def update_state(self, groundtruths: Mapping[str, Any], predictions: Mapping[str, Any]) -> None:
        """Add a batch.

        Args:
            groundtruths: Field names to arrays, tensors, or tuples of those of each replica. Fields that the metric
                does not know are not looked at.
            predictions: The same for predictions.

        Raises:
            MissingFieldError: If a required field is missing.
            TypeError: If an argument is no mapping.
            ValueError: If the metric cannot use what it received. The state is as it was.
        """
        self.update(
            self._fields("groundtruths", groundtruths, self.required_groundtruths, self.optional_groundtruths),
            self._fields("predictions", predictions, self.required_predictions, self.optional_predictions),
        )

    def merge_state(self, other: Self) -> None:
        """Add the batches of another metric of the same class and options, which stays as it is.

        Raises:
            ValueError: If the other metric is of another class or has other options.
        """
        if type(other) is not type(self) or other.options() != self.options():
            raise ValueError(
                f"`merge_state` of {type(self).__name__} with {self.options()} needs a metric of the same class and "
                f"options. Received {type(other).__name__} with {getattr(other, 'options', dict)()}."
            )
        self.merge(other)

    def reset_states(self) -> None:
        """The same as `reset_state`, by the name that older Keras metrics have."""
        self.reset_state()

    def options(self) -> dict[str, Any]:
        """What must be equal for two metrics to be merged."""
        return {}

    @abc.abstractmethod
    def update(self, groundtruths: dict[str, np.ndarray], predictions: dict[str, np.ndarray]) -> None:
        """Add a batch that has all required fields; refuse it before any change of the state."""

    @abc.abstractmethod
    def merge(self, other: Self) -> None:
        """Add the state of a metric of the same class and options."""

    @abc.abstractmethod
    def result(self) -> dict[str, float]:
        """The numbers over all batches so far; `UNDEFINED` where the data does not define one."""

    @abc.abstractmethod
    def reset_state(self) -> None:
        """Forget all batches."""

    def _fields(
        self, side: str, received: Mapping[str, Any], required: tuple[str, ...], optional: tuple[str, ...]
    ) -> dict[str, np.ndarray]:
        if not isinstance(received, Mapping):
            raise TypeError(
                f"The {side} of the metric {self.name!r} must be a mapping with the fields {list(required)}. "
                f"Received {type(received).__name__}."
            )
        for field in required:
            if field not in received:
                raise MissingFieldError(self.name, side, field, [str(key) for key in received])
        return {field: to_array(received[field], field=field) for field in (*required, *optional) if field in received}
