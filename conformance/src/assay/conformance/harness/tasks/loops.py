"""Several training steps inside one `tf.function`, as a training loop takes them between two looks at the host."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from assay.conformance.harness.calls import calling
from assay.conformance.harness.flavour import set_random_seed
from assay.conformance.harness.tasks.build import Build
from assay.conformance.harness.tasks.snapshots import Snapshot, snapshot
from assay.conformance.model.vocabulary import Mode


def train_in_loop(build: Build, batches: Sequence[Any]) -> Snapshot:
    """Take one training step a batch, all of them in one call of a traced loop, and return the variables afterwards.

    The loop is `for _ in tf.range(steps): step(next(iterator))` under `tf.function`, with `strategy.run` around the
    step on replicas: a dataset yields the batches one by one.

    Args:
      build: What to run. Its mode is graph or replicas.
      batches: The global batches.

    Raises:
      SubjectError: If `train_step` raises.
    """
    import tensorflow as tf

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

    set_random_seed(build.seed)
    dataset = tf.data.Dataset.from_tensors(batches[0])
    for batch in batches[1:]:
        dataset = dataset.concatenate(tf.data.Dataset.from_tensors(batch))
    with build.placed(), calling(f"train_step, in a traced loop of {len(batches)} steps, mode {build.mode}"):
        if build.mode is Mode.REPLICAS:
            dataset = build.strategy.experimental_distribute_dataset(dataset)
        loop(iter(dataset), tf.constant(len(batches)))
    return snapshot(build)
