"""Rows of whole numbers that updates append, in variables of a fixed size that add up over replicas.

A metric that needs every score at the end cannot add its state up. Here each replica writes rows to places of its own
(replica r of n to the places r, r + n, r + 2n, ...) and leaves zeros elsewhere, so that the sum over replicas is all
rows: variables stay plain sums, a read outside of the replicas is complete, and the size does not depend on how many
replicas there are.

A checkpoint of such a sum is restored by giving each of m replicas an m-th of it. Numbers are therefore kept in units
of 2^-20, as in `ExactSum`, and rounded when they are read; and a replica goes on behind the last place that holds
anything, wherever that came from. What is saved on n replicas restores on m.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf
from assay.keras_metrics._exact_sum import FRACTION_BITS, UNITS_PER_ONE
from assay.keras_metrics._flavour import FlavourMetric, add_at

# Bits of a number: with its fraction it fits in an int64, and a division in float64 keeps it to within the rounding.
NUMBER_BITS = 43


class RowBuffer(tf.Module):
    """Columns of one length in variables of a metric, an int64 variable each.

    Args:
        metric: The metric that owns the variables.
        columns: Names of the columns. The first one is positive in every row.
        capacity: How many rows there is place for; replicas share it equally.
    """

    def __init__(self, metric: FlavourMetric, columns: Sequence[str], capacity: int) -> None:
        super().__init__(name="row_buffer")
        self.capacity = capacity
        self._variables = tuple(metric.add_state(name, (capacity,), "int64") for name in columns)
        self._names = tuple(columns)

    def append(self, rows: Mapping[str, Any], kept: Any) -> Any:
        """Write rows behind those that are there.

        Args:
            rows: By column, int64 `[n]`, from 0 to 2^43 - 1.
            kept: bool `[n]`: false leaves a row out.

        Returns:
            How many rows there was no place for, int32 scalar.
        """
        replica, replicas = _replica()
        place = self._first_free(replica, replicas) + tf.cumsum(tf.cast(kept, tf.int32), exclusive=True)
        fits = tf.logical_and(kept, place < (self.capacity - replica + replicas - 1) // replicas)
        # What does not count adds zero to a place that exists: places out of range are an error on some devices.
        place = tf.where(fits, place * replicas + replica, 0)
        for name, variable in zip(self._names, self._variables, strict=True):
            add_at(variable, place, tf.where(fits, rows[name] * UNITS_PER_ONE, 0))
        return tf.reduce_sum(tf.cast(tf.logical_and(kept, tf.logical_not(fits)), tf.int32))

    def rows(self) -> dict[str, Any]:
        """By column, int64 `[capacity]`: the rows of all replicas, with zeros between and behind them."""
        return {
            name: tf.bitwise.right_shift(tf.convert_to_tensor(variable) + UNITS_PER_ONE // 2, FRACTION_BITS)
            for name, variable in zip(self._names, self._variables, strict=True)
        }

    def merge(self, others: Sequence["RowBuffer"]) -> Any:
        """Append the rows of other buffers with the same columns; returns how many there was no place for."""
        parts = [buffer.rows() for buffer in (self, *others)]
        joined = {name: tf.concat([part[name] for part in parts], axis=0) for name in self._names}
        used = joined[self._names[0]] > 0
        place = tf.cumsum(tf.cast(used, tf.int32), exclusive=True)
        fits = tf.logical_and(used, place < self.capacity)
        for name, variable in zip(self._names, self._variables, strict=True):
            column = tf.math.unsorted_segment_sum(joined[name], tf.where(fits, place, -1), self.capacity)
            variable.assign(column * UNITS_PER_ONE)
        return tf.reduce_sum(tf.cast(tf.logical_and(used, tf.logical_not(fits)), tf.int32))

    def _first_free(self, replica: Any, replicas: int) -> Any:
        """How many places of this replica are not to be written to any more: up to the last that holds anything."""
        places = tf.range(self.capacity)
        used = tf.not_equal(tf.convert_to_tensor(self._variables[0]), 0)
        if replicas > 1:
            used = tf.logical_and(used, tf.equal(places % replicas, replica))
        return tf.reduce_max(tf.where(used, places // replicas, -1)) + 1


def _replica() -> tuple[Any, int]:
    """The number of this replica, and how many there are."""
    context = tf.distribute.get_replica_context()
    if context is None:
        raise RuntimeError("`update_state` was called outside of the replicas of a strategy. Call `strategy.run`.")
    return context.replica_id_in_sync_group, context.num_replicas_in_sync
