"""Counts over all replicas: what a normaliser needs so that several replicas equal one."""

from typing import Any

import tensorflow as tf

GLOBAL = "global"
REPLICA = "replica"
NORMALISATIONS = (GLOBAL, REPLICA)


def check_normalisation(normalisation: str) -> str:
    """Refuse a normalisation that is neither `global` nor `replica`."""
    if normalisation not in NORMALISATIONS:
        raise ValueError(f"`normalisation` must be one of {', '.join(NORMALISATIONS)}. Received: {normalisation!r}.")
    return normalisation


def num_replicas() -> int:
    """How many replicas compute this loss together: 1 outside of a replica."""
    context = tf.distribute.get_replica_context()
    return 1 if context is None else int(context.num_replicas_in_sync)


def mean_over_replicas(count: Any) -> Any:
    """The mean of a scalar over the replicas; the scalar itself where there is only one.

    A sum on this replica divided by the *mean* count, and then by `num_replicas_in_sync` as a training step does, is
    its share of the global sum divided by the global count. The cost is one all-reduce of a single number.

    Args:
        count: A scalar tensor; no gradient flows through it.

    Raises:
        RuntimeError: If replicas cannot meet here, because the loss is called inside a `tf.function`, a `tf.cond` or a
            loop of a step that is itself run on replicas.
    """
    count = tf.stop_gradient(count)
    if num_replicas() == 1:
        return count
    context = tf.distribute.get_replica_context()
    try:
        return context.all_reduce(tf.distribute.ReduceOp.MEAN, count)
    except RuntimeError as error:
        raise RuntimeError(
            "The normaliser of this loss is counted over all replicas, and the replicas cannot meet here: the loss is "
            "called inside a tf.function, a tf.cond or a loop of the step that runs on the replicas. Call it in the "
            'step itself, or count on each replica alone with normalisation="replica".'
        ) from error
