"""Validation data that shows each example once, however it divides among batches and replicas."""

from typing import Any

import tensorflow as tf
from assay.core.train_data import has_single_replica


def eval_dataset(source: Any, strategy: tf.distribute.Strategy) -> Any:
    """Make the dataset to iterate over, from the beginning, at each evaluation.

    With several replicas, batches of a fixed size would make TensorFlow drop the last step when it has a batch for
    some replicas only. So the batch size is declared unknown, except for TPUs, which need it: then the replicas
    without data get an empty batch, and nothing is dropped.

    Args:
        source: A function from `InputContext` to a dataset with per-replica batches, or a `tf.data.Dataset` with
            global batches, or a distributed dataset, which is used as it is.
        strategy: The strategy of the run.

    Returns:
        A `tf.data.Dataset` for a single replica, else a distributed dataset.
    """
    if has_single_replica(strategy):
        return source(tf.distribute.InputContext()) if callable(source) else source
    keep_sizes = isinstance(strategy, tf.distribute.TPUStrategy)
    if callable(source):
        return strategy.distribute_datasets_from_function(
            lambda context: source(context) if keep_sizes else _with_unknown_batch_size(source(context))
        )
    if isinstance(source, tf.data.Dataset):
        return strategy.experimental_distribute_dataset(source if keep_sizes else _with_unknown_batch_size(source))
    return source


def _with_unknown_batch_size(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """Declare the first dimension of each tensor unknown; the elements stay as they are."""

    def forget(*values: Any) -> Any:
        batch = values[0] if len(values) == 1 else values
        return tf.nest.map_structure(_forget_first_dimension, batch)

    return dataset.map(forget)


def _forget_first_dimension(value: Any) -> Any:
    if not isinstance(value, tf.Tensor) or not value.shape.rank:
        return value
    return tf.raw_ops.PlaceholderWithDefault(input=value, shape=[None, *value.shape[1:]])
