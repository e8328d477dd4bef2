"""One batch of a sample: labels and predictions as flat lists of arrays, packed again for the call."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from assay.conformance.harness.samples.domains import Domain


@dataclasses.dataclass(frozen=True)
class Leaf:
    """What is known of one array of the sample.

    Attributes:
      side: `y_true` or `y_pred`.
      path: Where it is inside that side; empty when the side is the array.
      domain: What its values stand for.
      batched: Whether its first dimension is the batch.
      classes: How many classes its ids name, or its rows have; 0 when it has neither.
      partner: The index of the array of the other side that belongs to it, or None.
    """

    side: str
    path: str
    domain: Domain
    batched: bool
    classes: int = 0
    partner: int | None = None

    @property
    def name(self) -> str:
        """`y_true`, or `y_true/boxes`."""
        return f"{self.side}/{self.path}" if self.path else self.side


@dataclasses.dataclass(frozen=True, eq=False)
class Layout:
    """The structure of a sample: the arrays of both sides, and how they are nested."""

    truth: tuple[Leaf, ...]
    predictions: tuple[Leaf, ...]
    truth_structure: Any
    prediction_structure: Any


@dataclasses.dataclass(frozen=True, eq=False)
class Batch:
    """Labels and predictions of some examples. Treat it as read-only.

    Attributes:
      layout: What the arrays are.
      truth: The arrays of `y_true`, in the order of `layout.truth`.
      predictions: The arrays of `y_pred`.
      size: How many examples.
    """

    layout: Layout
    truth: tuple[np.ndarray, ...]
    predictions: tuple[np.ndarray, ...]
    size: int

    @property
    def y_true(self) -> Any:
        """The labels, nested as in the sample."""
        import tensorflow as tf

        return tf.nest.pack_sequence_as(self.layout.truth_structure, list(self.truth))

    @property
    def y_pred(self) -> Any:
        """The predictions, nested as in the sample."""
        import tensorflow as tf

        return tf.nest.pack_sequence_as(self.layout.prediction_structure, list(self.predictions))

    def with_truth(self, arrays: Sequence[Any]) -> Batch:
        """The batch with other labels, each in the dtype of the one it stands for."""
        return dataclasses.replace(self, truth=_like(arrays, self.truth))

    def with_predictions(self, arrays: Sequence[Any]) -> Batch:
        """The batch with other predictions, each in the dtype of the one it stands for."""
        return dataclasses.replace(self, predictions=_like(arrays, self.predictions))

    def cast_predictions(self, dtype: Any) -> Batch:
        """The batch with its floating-point predictions in another NumPy dtype (bfloat16 from `tf.bfloat16`)."""
        return dataclasses.replace(
            self,
            predictions=tuple(
                array if leaf.domain is Domain.FIXED else array.astype(dtype)
                for leaf, array in zip(self.layout.predictions, self.predictions, strict=True)
            ),
        )

    def map_predictions(self, change: Callable[[Leaf, np.ndarray], Any]) -> Batch:
        """The batch with `change(leaf, array)` in place of each array of predictions."""
        pairs = zip(self.layout.predictions, self.predictions, strict=True)
        return self.with_predictions([change(leaf, array) for leaf, array in pairs])

    def take(self, rows: Sequence[int]) -> Batch:
        """The batch of some of its rows, in that order; a row may come more than once."""
        index = np.asarray(rows, np.int64)

        def pick(leaf: Leaf, array: np.ndarray) -> np.ndarray:
            if not leaf.batched:
                return array
            picked = array[index]
            return picked[:, index] if leaf.domain is Domain.PAIRS else picked

        return dataclasses.replace(
            self,
            truth=tuple(pick(*pair) for pair in zip(self.layout.truth, self.truth, strict=True)),
            predictions=tuple(pick(*pair) for pair in zip(self.layout.predictions, self.predictions, strict=True)),
            size=len(index),
        )

    def describe(self) -> str:
        """Return shapes and domains for messages: `y_true class_ids int32 [5], y_pred logits float32 [5, 4]`."""
        leaves = [*zip(self.layout.truth, self.truth, strict=True)]
        leaves += [*zip(self.layout.predictions, self.predictions, strict=True)]
        return ", ".join(f"{leaf.name} {leaf.domain} {array.dtype.name} {list(array.shape)}" for leaf, array in leaves)


def _like(arrays: Sequence[Any], olds: Sequence[np.ndarray]) -> tuple[np.ndarray, ...]:
    return tuple(np.asarray(array).astype(old.dtype) for array, old in zip(arrays, olds, strict=True))
