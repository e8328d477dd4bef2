"""The step of a write: read when it happens, from whatever the manager was given."""

import sys
from typing import Any

import numpy as np


def read_step(global_step: Any) -> int:
    """The present step.

    Args:
        global_step: A number, a variable, a function that returns one of these, or None for the step of
            `tf.summary.experimental.set_step`.

    Raises:
        ValueError: If there is no step, or it is no integer.
    """
    step = global_step
    if step is None:
        # Nobody can have set a step where TensorFlow was never imported.
        tensorflow = sys.modules.get("tensorflow")
        step = tensorflow.summary.experimental.get_step() if tensorflow is not None else None
    elif callable(step) and not hasattr(step, "numpy"):
        step = step()
    if step is None:
        raise ValueError(
            "There is no step to write summaries at. Pass `global_step` to the summary manager, or set one with "
            "`tf.summary.experimental.set_step`."
        )
    number = np.asarray(step.numpy() if hasattr(step, "numpy") else step)
    if number.shape != () or number.dtype.kind not in "iu":
        raise ValueError(
            f"`global_step` must be one integer. Received a {type(step).__name__} of shape {number.shape} "
            f"and dtype {number.dtype.name}."
        )
    return int(number)
