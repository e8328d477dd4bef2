"""A whole run from a seed, weights and data included: what two of them must have in common."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness.calls import calling
from assay.conformance.harness.flavour import set_random_seed
from assay.conformance.harness.pipelines.datasets import build_dataset, data_params
from assay.conformance.harness.tasks.build import build_task
from assay.conformance.harness.tasks.containers import Contents, contents_of
from assay.conformance.harness.tasks.runs import train
from assay.conformance.harness.values import as_numpy
from assay.conformance.model.vocabulary import Mode

SEEDED_STEPS = 3
_LOSS = "loss"


@dataclasses.dataclass(frozen=True, eq=False)
class SeededRun:
    """A run of which everything came from one seed.

    Attributes:
      start: The model's variables as they were built, by name.
      batches: What each batch of the training data held, by path.
      losses: The logged loss of each step, as the bytes of its number and as a number; empty when none is logged.
      ends: The model's variables after each step.
    """

    start: Mapping[str, np.ndarray]
    batches: Sequence[Contents]
    losses: Sequence[float]
    ends: Sequence[Mapping[str, np.ndarray]]


def seeded_run(ctx: Context) -> SeededRun:
    """Seed everything, then build the Task and its model, read its training data and take a few eager steps.

    Nothing of it is shared with other runs: not the initial weights, and not the batches.

    Raises:
      SubjectError: If the subject's code raises.
    """
    import tensorflow as tf

    build = build_task(ctx, mode=Mode.EAGER, equal_start=False)
    set_random_seed(ctx.seed)
    dataset = build_dataset(build.task, data_params(build.task, training=True))
    with calling("reading the training dataset"):
        read = list(itertools.islice(iter(dataset), SEEDED_STEPS))
    batches = [tf.nest.map_structure(lambda leaf: leaf, batch) for batch in read]
    contents = [contents_of(batch) for batch in batches]
    run = train(build, batches)
    logged = [logs[0].get(_LOSS) for logs in run.logs if isinstance(logs[0], Mapping)]
    return SeededRun(
        start=run.snapshots[0].model,
        batches=contents,
        losses=[float(np.sum(as_numpy(loss), dtype=np.float64)) for loss in logged if loss is not None],
        ends=[shot.model for shot in run.snapshots[1:]],
    )


@contextlib.contextmanager
def op_determinism() -> Iterator[None]:
    """Run TensorFlow's operations and input pipelines in their deterministic forms, and put things back at the end.

    `tf.config.experimental.enable_op_determinism` has no public way back.
    """
    from tensorflow.python.framework import config

    before = config.is_op_determinism_enabled()
    config.enable_op_determinism()
    try:
        yield
    finally:
        if not before:
            config.disable_op_determinism()
