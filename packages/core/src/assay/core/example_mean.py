"""The mean of a loss over examples, kept on the devices."""

from typing import Any

import tensorflow as tf


class ExampleMean:
    """A mean of per-replica losses, each weighted with the number of examples of its batch.

    With equal batches this is the plain mean over steps and replicas. With a smaller last batch it is still the mean
    over examples, and a replica whose batch is empty (its loss may be 0 / 0) counts nothing.

    Two float32 scalars, summed over replicas when they are read; created under `strategy.scope()`.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        options: dict[str, Any] = {
            "trainable": False,
            "synchronization": tf.VariableSynchronization.ON_READ,
            "aggregation": tf.VariableAggregation.SUM,
        }
        self._total = tf.Variable(0.0, name=f"{name}_total", **options)
        self._count = tf.Variable(0.0, name=f"{name}_count", **options)

    def update(self, loss: tf.Tensor, examples: tf.Tensor) -> None:
        """Add one batch, in replica context.

        Args:
            loss: Scalar, the mean over the batch.
            examples: Float scalar, the number of examples of the batch.
        """
        weighted = tf.math.multiply_no_nan(tf.cast(loss, tf.float32), examples)
        self._total.assign_add(weighted)
        self._count.assign_add(examples)

    def reset(self) -> None:
        """Forget all batches. In cross-replica context."""
        self._total.assign(0.0)
        self._count.assign(0.0)

    def result(self) -> tf.Tensor | None:
        """Return the mean as a float32 scalar, None when there was no example. In cross-replica context, eagerly."""
        count = tf.convert_to_tensor(self._count)
        return tf.convert_to_tensor(self._total) / count if float(count) > 0 else None


def examples_in(batch: Any) -> tf.Tensor:
    """Return the number of examples of a batch as a float32 scalar: the size of the first dimension.

    Args:
        batch: Any nest of tensors `[batch, ...]`; ragged and sparse ones count their rows. Scalars are skipped, and a
            batch of nothing else counts as one example.
    """
    for value in tf.nest.flatten(batch):
        if isinstance(value, tf.RaggedTensor):
            return tf.cast(value.nrows(), tf.float32)
        if isinstance(value, tf.SparseTensor):
            return tf.cast(value.dense_shape[0], tf.float32)
        value = tf.convert_to_tensor(value)
        if value.shape.rank is None or value.shape.rank > 0:
            static = value.shape.rank and value.shape[0]
            return tf.constant(float(static)) if static else tf.cast(tf.shape(value)[0], tf.float32)
    return tf.constant(1.0)
