"""A metric on two replicas, each with its own part of a global batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from assay.conformance.context import Context
from assay.conformance.harness.calls import calling
from assay.conformance.harness.flavour import set_random_seed
from assay.conformance.harness.metrics.component import Metric, Numbers, adapted, numbers, tensors
from assay.conformance.harness.samples import Batch
from assay.conformance.harness.strategies import strategy_for
from assay.conformance.model.vocabulary import Mode


class ReplicatedMetric:
    """A new metric under a mirrored strategy of two replicas, updated inside one `tf.function`.

    Args:
      ctx: The check's context.

    Raises:
      NotRun: If there are not enough devices.
      SubjectError: If the factory raises.
    """

    def __init__(self, ctx: Context) -> None:
        import tensorflow as tf

        self._strategy = strategy_for(ctx.target, Mode.REPLICAS)
        set_random_seed(ctx.seed)
        with self._strategy.scope(), calling("the factory under a mirrored strategy"):
            self.metric: Metric = adapted(ctx, ctx.subject.factory())

        def run(*sides: Any) -> None:
            self._strategy.run(self.metric.update, args=sides)

        self._run = tf.function(run, reduce_retracing=True)

    def update(self, parts: Sequence[Batch]) -> None:
        """Count one part on each replica.

        Raises:
          SubjectError: If the metric raises.
        """
        import tensorflow as tf

        fed = [tensors(part) for part in parts]
        sizes = " and ".join(str(part.size) for part in parts)
        with self._strategy.scope(), calling(f"update_state on replicas with {sizes} examples"):
            sides = [
                tf.nest.map_structure(lambda *leaves: self._distributed(leaves), *(pair[side] for pair in fed))
                for side in (0, 1)
            ]
            self._run(*sides)

    def result(self) -> Numbers:
        """Return the result, read outside the replicas.

        Raises:
          SubjectError: If the metric raises.
        """
        with self._strategy.scope(), calling("result() outside the replicas"):
            return numbers(self.metric.metric.result())

    def _distributed(self, leaves: Sequence[Any]) -> Any:
        return self._strategy.experimental_distribute_values_from_function(
            lambda context: leaves[context.replica_id_in_sync_group]
        )
