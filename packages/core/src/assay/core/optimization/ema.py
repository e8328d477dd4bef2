"""Averaged weights in place of the trained ones, for an evaluation."""

import contextlib
from collections.abc import Iterator
from typing import Any

import tensorflow as tf
from assay.core.precision import innermost_optimizer


def averages_weights(optimizer: Any) -> bool:
    """Say whether an optimizer, however wrapped, keeps a moving average of the weights."""
    return optimizer is not None and bool(getattr(innermost_optimizer(optimizer), "use_ema", False))


@contextlib.contextmanager
def swapped_in(optimizer: Any, model: Any) -> Iterator[None]:
    """Give `model` its averaged weights inside a `with`, and its trained weights back afterwards, bit for bit.

    ```python
    with swapped_in(optimizer, model):
        trainer.evaluate(steps)
    ```

    Call it outside of `tf.function`, in cross-replica context. The average covers the trainable weights: statistics
    of batch normalisation stay as they are. Before the first step the weights are their own average. What the block
    does to the trainable weights is undone at its end.

    Args:
        optimizer: The optimizer, under a `LossScaleOptimizer` or not, built for `model.trainable_variables`. One that
            keeps no average, or None, leaves the weights alone.
        model: A Keras model.
    """
    if not averages_weights(optimizer):
        yield
        return
    variables = model.trainable_variables
    inner = innermost_optimizer(optimizer)
    if int(tf.convert_to_tensor(inner.iterations)) == 0:
        yield
        return
    trained = [tf.identity(tf.convert_to_tensor(variable)) for variable in variables]
    try:
        inner.finalize_variable_values(variables)
        yield
    finally:
        for variable, value in zip(variables, trained, strict=True):
            variable.assign(value)
