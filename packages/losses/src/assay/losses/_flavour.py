"""The one place where Keras 3 and tf_keras losses differ: construction, and where a layer's mask is kept."""

import inspect
from typing import Any

import tensorflow as tf

KERAS_MASK_ATTRIBUTE = "_keras_mask"

# Both flavours keep a register of classes that configs, and in Keras 3 copies and pickles, are rebuilt from.
serialisable = tf.keras.utils.register_keras_serializable(package="assay.losses")


class FlavourLoss(tf.keras.losses.Loss):
    """A `tf.keras.losses.Loss` that is constructed alike in Keras 3 and in tf_keras.

    Keras 3 casts labels and predictions to the loss's own dtype, and that dtype follows `floatx`; tf_keras has no such
    dtype and accepts fewer names of reductions. Subclasses override `__call__`, so neither behaviour is used; this
    class only makes sure that the attributes which the rest of Keras reads (`name`, `reduction`, `dtype`) are right.

    Args:
        reduction: A reduction name that has been checked already.
        name: Name of the loss.
    """

    def __init__(self, *, reduction: str, name: str) -> None:
        if is_keras_3():
            super().__init__(name=name, reduction="none", dtype="float32")
        else:
            super().__init__(name=name, reduction="none")
        self.reduction = reduction


def is_keras_3() -> bool:
    """True when `tf.keras` is Keras 3, whose losses have a dtype, false when it is tf_keras (Keras 2)."""
    return "dtype" in inspect.signature(tf.keras.losses.Loss.__init__).parameters


def keras_mask(predictions: Any) -> Any:
    """The mask that a Keras layer attached to its output: boolean `[batch, ...]`, or None."""
    return getattr(predictions, KERAS_MASK_ATTRIBUTE, None)
