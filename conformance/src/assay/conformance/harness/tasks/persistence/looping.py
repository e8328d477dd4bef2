"""A training loop that is traced once and runs as many steps as it is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from assay.conformance.harness.calls import calling
from assay.conformance.harness.flavour import set_random_seed
from assay.conformance.harness.tasks.build import Build
from assay.conformance.model.vocabulary import Mode


class TracedLoop:
    """`for _ in tf.range(steps): step(next(iterator))` under `tf.function`, with `strategy.run` around it on replicas.

    Args:
      build: What to run. Its mode is graph or replicas.
      batches: Global batches, which come again and again.
    """

    def __init__(self, build: Build, batches: Sequence[Any]) -> None:
        import tensorflow as tf

        self._build = build
        metrics = list(build.train_metrics)

        def step(batch: Any) -> None:
            build.task.train_step(batch, build.model, build.optimizer, metrics=metrics)

        @tf.function
        def loop(iterator: Any, steps: Any) -> None:
            for _ in tf.range(steps):
                if build.mode is Mode.REPLICAS:
                    build.strategy.run(step, args=(next(iterator),))
                else:
                    step(next(iterator))

        self._loop = loop
        set_random_seed(build.seed)
        dataset = tf.data.Dataset.from_tensors(batches[0])
        for batch in batches[1:]:
            dataset = dataset.concatenate(tf.data.Dataset.from_tensors(batch))
        dataset = dataset.repeat()
        with build.placed():
            if build.mode is Mode.REPLICAS:
                dataset = build.strategy.experimental_distribute_dataset(dataset)
            self._iterator = iter(dataset)

    def __call__(self, steps: int) -> None:
        """Take some steps.

        Raises:
          SubjectError: If `train_step` raises.
        """
        import tensorflow as tf

        build = self._build
        with build.placed(), calling(f"train_step, in a traced loop of {steps} steps, mode {build.mode}"):
            self._loop(self._iterator, tf.constant(steps))
