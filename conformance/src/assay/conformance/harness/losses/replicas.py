"""A loss on two replicas, each with its own part of a global batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness.calls import calling
from assay.conformance.harness.losses.component import LossComponent, as_tensors, to_float64
from assay.conformance.harness.samples import Batch
from assay.conformance.harness.strategies import strategy_for
from assay.conformance.model.errors import SubjectError
from assay.conformance.model.vocabulary import Mode

_KEY = "replicas"
_REFUSES = ("strategy", "reduction")
"""The words of tf_keras' refusal of a mean under a strategy, which is by design."""


def parts_of(batch: Batch, sizes: Sequence[int]) -> list[Batch]:
    """Return a batch cut into parts of these sizes, in order."""
    ends = np.cumsum(sizes)
    return [batch.take(range(end - size, end)) for end, size in zip(ends, sizes, strict=True)]


def replica_outputs(ctx: Context, loss: LossComponent, parts: Sequence[Batch]) -> list[np.ndarray] | None:
    """Return what a loss returns on each replica, or None when it refuses to reduce under a strategy.

    Raises:
      NotRun: If there are not enough devices.
      SubjectError: If the loss raises anything else.
    """
    import tensorflow as tf

    strategy = strategy_for(ctx.target, Mode.REPLICAS)

    def step(y_true: Any, y_pred: Any) -> Any:
        return tf.convert_to_tensor(loss(y_true, y_pred))

    def run(y_true: Any, y_pred: Any) -> Any:
        return strategy.run(step, args=(y_true, y_pred))

    traced = loss.compiled.setdefault(_KEY, tf.function(run))
    tensors = [as_tensors(part) for part in parts]
    sizes = " and ".join(str(part.size) for part in parts)
    try:
        with strategy.scope(), calling(f"the loss with reduction {loss.reduction} on replicas of {sizes} examples"):
            sides = [
                tf.nest.map_structure(lambda *leaves: _distributed(strategy, leaves), *(pair[side] for pair in tensors))
                for side in (0, 1)
            ]
            results = strategy.experimental_local_results(traced(*sides))
    except SubjectError as error:
        text = str(error.original).lower()
        if all(word in text for word in _REFUSES):
            return None
        raise
    return [np.asarray(to_float64(result)) for result in results]


def _distributed(strategy: Any, leaves: Sequence[Any]) -> Any:
    return strategy.experimental_distribute_values_from_function(
        lambda context: leaves[context.replica_id_in_sync_group]
    )
