"""One step function, run in a mode: eager, graph, XLA, or on replicas; with a record of its traces."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from assay.conformance.harness.calls import calling
from assay.conformance.harness.compiling import compiled
from assay.conformance.harness.device_types import on_the_device_alone
from assay.conformance.harness.tasks.batches import split_batch
from assay.conformance.harness.tasks.build import Build
from assay.conformance.harness.tasks.containers import fresh_containers
from assay.conformance.harness.tasks.empty_convolutions import raise_if_to_blame
from assay.conformance.model.errors import NotApplicable, SubjectError
from assay.conformance.model.vocabulary import Mode


class Stepper:
    """Calls a step function on one global batch after another, as a training loop would in the build's mode.

    Args:
      build: The build whose strategy and mode it runs in.
      step: Takes one replica's batch, returns nested tensors.
      name: What messages call it: `train_step`.
      any_length: Trace once for batches of all lengths after the first, as a loop over a dataset does whose last batch
        is partial, instead of once a length.
    """

    def __init__(self, build: Build, step: Callable[[Any], Any], *, name: str, any_length: bool = False) -> None:
        self._build = build
        self._step = step
        self._name = name
        self._any_length = any_length
        self._calls = 0
        self.signatures: list[str] = []
        """The signature of each trace, in order; empty in eager mode."""
        self._run = self._make()

    def __call__(self, batch: Any) -> list[Any]:
        """Run one step.

        Args:
          batch: The global batch; on replicas each is given its part.

        Returns:
          What the step returned, one entry a replica.

        Raises:
          SubjectError: If the step raises.
          NotApplicable: If the batch holds what XLA cannot be given.
          NotRun: If a replica without examples fails where TensorFlow itself may be to blame.
        """
        self._calls += 1
        build = self._build
        doing = f"{self._name}, call {self._calls}, mode {build.mode}"
        if build.mode is not Mode.REPLICAS:
            with build.placed(), on_the_device_alone(build.target), calling(doing):
                return [self._run(batch)]
        parts = split_batch(batch, build.num_replicas)
        try:
            with build.placed(), calling(doing):
                values = build.strategy.experimental_distribute_values_from_function(
                    lambda context: parts[context.replica_id_in_sync_group]
                )
                return _per_replica(build.strategy, self._run(values))
        except SubjectError:
            raise_if_to_blame(parts)
            raise

    def _make(self) -> Callable[[Any], Any]:
        import tensorflow as tf

        mode, strategy = self._build.mode, self._build.strategy
        # A step that changes the containers of its batch must not change what other rules are given: T111 is about it.
        if mode is Mode.EAGER:
            return lambda batch: self._step(fresh_containers(batch))

        def traced(batch: Any) -> Any:
            self.signatures.append(_signature(batch))
            if mode is Mode.XLA:
                _refuse_strings(batch)
            batch = fresh_containers(batch)
            return strategy.run(self._step, args=(batch,)) if mode is Mode.REPLICAS else self._step(batch)

        if mode is Mode.XLA:
            return compiled(traced, self._build.target, name=self._name)
        return tf.function(traced, reduce_retracing=self._any_length)


def _per_replica(strategy: Any, structure: Any) -> list[Any]:
    """One structure a replica, from a structure of per-replica values."""
    import tensorflow as tf

    flat = [strategy.experimental_local_results(leaf) for leaf in tf.nest.flatten(structure)]
    replicas = range(strategy.num_replicas_in_sync)
    return [
        tf.nest.pack_sequence_as(structure, [leaf[min(replica, len(leaf) - 1)] for leaf in flat])
        for replica in replicas
    ]


def _signature(batch: Any) -> str:
    """What decides whether `tf.function` traces again, for a reader: dtypes and shapes by name."""
    import tensorflow as tf

    leaves = (
        tf.nest.flatten_with_joined_string_paths(batch)
        if hasattr(tf.nest, "flatten_with_joined_string_paths")
        else (enumerate(tf.nest.flatten(batch)))
    )
    return ", ".join(f"{path}: {_leaf_signature(leaf)}" for path, leaf in leaves)


def _leaf_signature(leaf: Any) -> str:
    values = getattr(leaf, "values", None)
    parts = values if isinstance(values, tuple) else (leaf,)
    return " | ".join(f"{getattr(part, 'dtype', type(part)).name}{list(part.shape)}" for part in parts)


def _refuse_strings(batch: Any) -> None:
    import tensorflow as tf

    if any(getattr(leaf, "dtype", None) == tf.string for leaf in tf.nest.flatten(batch)):
        raise NotApplicable("The batch holds strings, which XLA cannot be given.")
