"""The one place that knows the two Keras flavours apart: Keras 3 (`keras`) and Keras 2 (`tf_keras`).

A subject decides its own flavour by the objects it makes, whatever `tf.keras` points at in this process.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Iterator
from typing import Any, Literal

Flavour = Literal["keras", "tf_keras"]

KERAS_3: Flavour = "keras"
KERAS_2: Flavour = "tf_keras"


def flavour_of(thing: Any) -> Flavour:
    """Return the flavour of a Keras object, from the module of its classes; of anything else, that of `tf.keras`."""
    for base in type(thing).__mro__:
        root = base.__module__.partition(".")[0]
        if root in (KERAS_3, KERAS_2):
            return KERAS_3 if root == KERAS_3 else KERAS_2
    return default_flavour()


def default_flavour() -> Flavour:
    """Return the flavour that `tf.keras` stands for in this process."""
    import tensorflow as tf

    return KERAS_2 if tf.keras.Model.__module__.startswith(KERAS_2) else KERAS_3


def keras_for(flavour: Flavour) -> Any:
    """Return the Keras module of a flavour."""
    return importlib.import_module(flavour)


def layers_of(model: Any) -> list[Any]:
    """Return a Keras model and all layers inside it, at any depth; of another module, the Keras layers it holds."""
    if hasattr(model, "_flatten_layers"):  # both flavours have it; `layers` gives the first level only
        return list(model._flatten_layers())
    return [layer for layer in getattr(model, "submodules", ()) if hasattr(layer, "_flatten_layers")]


def weights_of(model: Any) -> list[Any]:
    """Return the variables that are trainable when nothing is frozen: what is left are statistics and random states.

    The layers are unfrozen on the way and the model is not to be trained afterwards.
    """
    for layer in layers_of(model):
        layer.trainable = True
    return list(model.trainable_variables)


def metric_variables_in(model: Any) -> list[Any]:
    """Return the variables of the metrics that a model owns: tf_keras counts them among the model's variables."""
    return [variable for metric in getattr(model, "metrics", ()) for variable in getattr(metric, "variables", ())]


@contextlib.contextmanager
def precision_policy(name: str) -> Iterator[None]:
    """Set the global precision policy of every Keras flavour that is loaded, and put the old one back at the end.

    Args:
      name: `float32`, `mixed_float16` or `mixed_bfloat16`.
    """
    loaded = [keras_for(flavour) for flavour in (KERAS_3, KERAS_2) if flavour in sys.modules]
    before = [_global_policy(keras) for keras in loaded]
    for keras in loaded:
        _set_global_policy(keras, name)
    try:
        yield
    finally:
        for keras, policy in zip(loaded, before, strict=True):
            _set_global_policy(keras, policy)


def set_random_seed(seed: int) -> None:
    """Seed Python, NumPy, TensorFlow and every Keras flavour that is loaded."""
    import tensorflow as tf

    tf.keras.utils.set_random_seed(seed)
    for flavour in (KERAS_3, KERAS_2):
        if flavour in sys.modules:
            keras_for(flavour).utils.set_random_seed(seed)


def _global_policy(keras: Any) -> Any:
    mixed_precision = keras.mixed_precision
    get = getattr(mixed_precision, "global_policy", None) or mixed_precision.dtype_policy
    return get()


def _set_global_policy(keras: Any, policy: Any) -> None:
    mixed_precision = keras.mixed_precision
    set_policy = getattr(mixed_precision, "set_global_policy", None) or mixed_precision.set_dtype_policy
    set_policy(policy)
