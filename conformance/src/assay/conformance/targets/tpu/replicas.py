"""One replica's part of a step that several run together, traced on a machine that has none of them.

A TPU runs one program on all its devices, with sums across replicas in it. Under this strategy a step is traced as one
of `num_replicas_in_sync` sees it: what it reduces across replicas becomes such a sum, whatever asks for it (an
optimizer, a loss, `strategy.reduce`). Nothing can be run: the program is for a compiler.
"""

from __future__ import annotations

from typing import Any


def one_of(replicas: int) -> Any:
    """Return a strategy that traces what one of so many replicas runs.

    Args:
      replicas: How many devices run the program together.
    """
    import tensorflow as tf
    from tensorflow.compiler.tf2xla.ops import gen_xla_ops
    from tensorflow.python.distribute import distribute_lib, one_device_strategy

    def reduced(op: Any, value: Any) -> Any:
        value = tf.convert_to_tensor(value)
        group = tf.constant([list(range(replicas))])
        summed = gen_xla_ops.xla_all_reduce(value, group, reduce_op="Add", mode="CrossReplica")
        return summed / tf.cast(replicas, summed.dtype) if "MEAN" in str(op).upper() else summed

    class _Extended(one_device_strategy.OneDeviceExtended):
        """One device, which is not alone."""

        @property
        def _num_replicas_in_sync(self) -> int:
            return replicas

        def _reduce_to(self, reduce_op: Any, value: Any, destinations: Any, options: Any) -> Any:
            return reduced(reduce_op, value)

        def _replica_ctx_all_reduce(self, reduce_op: Any, value: Any, options: Any = None) -> Any:
            return tf.nest.map_structure(lambda leaf: reduced(reduce_op, leaf), value)

    class _OneOf(distribute_lib.Strategy):
        def __init__(self) -> None:
            super().__init__(_Extended(self, "/cpu:0"))

    return _OneOf()
