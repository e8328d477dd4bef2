"""What the loop must do differently under Keras 3 and tf_keras; loss scaling is in `assay.core.precision`."""

from typing import Any

import numpy as np
import tensorflow as tf


def learning_rate(optimizer: Any) -> Any:
    """Return the learning rate of the next step, a float32 scalar. Eagerly."""
    rate = optimizer.learning_rate
    # tf_keras returns the schedule itself under some optimizers, Keras 3 always its present value.
    return np.float32(rate(optimizer.iterations) if callable(rate) else rate)


def seed_generators(model: Any) -> list[Any]:
    """Return the random states of the model's layers that `tf.train.Checkpoint(model=model)` leaves out.

    Keras 3 keeps the state of each `SeedGenerator` in a variable that TensorFlow's tracking does not see. Under
    tf_keras there are none: its layers draw from TensorFlow's stateful generator, which no checkpoint holds.
    """
    layers = model._flatten_layers() if hasattr(model, "_flatten_layers") else []
    found: list[Any] = []
    for layer in layers:
        for generator in getattr(layer, "_seed_generators", ()):
            if not any(generator.state is state for state in found):
                found.append(generator.state)
    return found


def allow_asynchronous_checkpoints() -> None:
    """Repair the copy that TensorFlow takes of each Keras 3 variable for an asynchronous checkpoint.

    Keras 3 (up to 3.15) makes a new variable at each copy, inside a `tf.function`, where that is an error; so every
    asynchronous save of a Keras 3 model fails. The copy of the TensorFlow variable inside it is all that is needed.
    """
    variable_class = getattr(tf.keras, "Variable", None)
    if variable_class is not None and "_copy_trackable_to_cpu" in dir(variable_class):
        variable_class._copy_trackable_to_cpu = _copy_value_to_cpu


def _copy_value_to_cpu(self: Any, object_map: Any) -> None:
    self.value._copy_trackable_to_cpu(object_map)
    object_map[self] = object_map[self.value]
