"""What the `Controller` needs of a trainer and of an evaluator: one method each.

The *outer* loop (the `Controller`) decides how many steps to run before something else happens; the *inner* loop (a
trainer or an evaluator) runs them.
"""

import abc
from typing import Any

import numpy as np
import tensorflow as tf

Output = dict[str, Any]
"""Logs by name: a tensor, a NumPy value, a float, or a dict of these (a dict becomes a summary subdirectory)."""

RUN_UNTIL_EXHAUSTED = -1
"""The number of evaluation steps that means: until the data ends."""


class AbstractTrainer(abc.ABC):
    """The inner training loop."""

    @abc.abstractmethod
    def train(self, num_steps: tf.Tensor) -> Output | None:
        """Run `num_steps` training steps, or fewer when the run is asked to stop.

        Must raise the global step by one with each step. Must start its metrics afresh, so that the returned logs are
        those of these steps alone.

        Args:
            num_steps: int32 scalar, at least 1.

        Returns:
            Logs of these steps, or None.
        """


class AbstractEvaluator(abc.ABC):
    """The inner evaluation loop."""

    @abc.abstractmethod
    def evaluate(self, num_steps: tf.Tensor) -> Output | None:
        """Run `num_steps` evaluation steps from the beginning of the data; change nothing but metrics.

        Args:
            num_steps: int32 scalar; -1 runs until the data ends.

        Returns:
            Logs of this evaluation, or None.
        """


def create_global_step() -> tf.Variable:
    """Make the variable that counts training steps: an int64 scalar, 0. Call it under `strategy.scope()`."""
    return tf.Variable(
        0,
        dtype=tf.int64,
        name="global_step",
        trainable=False,
        aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
    )


def get_value(value: Any) -> Any:
    """Turn tensors in nested logs into NumPy values; a scalar becomes a NumPy scalar. Anything else stays."""
    if isinstance(value, dict):
        return {key: get_value(item) for key, item in value.items()}
    if hasattr(value, "numpy"):
        value = value.numpy()
    return value[()] if isinstance(value, np.ndarray) and value.ndim == 0 else value
