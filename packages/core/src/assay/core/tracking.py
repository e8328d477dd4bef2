"""See to it that a checkpoint of a model holds every weight of the model.

`tf.train.Checkpoint` saves what TensorFlow's tracking reaches. Under Keras 3 (up to 3.15) that is not what Keras itself
tracks: a layer in a list or a dict that is an attribute (`self.blocks = [...]`) trains, and is in `model.weights`, but
neither it nor anything below it is written. Nothing says so, neither when it is saved nor when it is restored
(keras-team/keras issue 18398).
"""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

_SHOWN = 5


class UntrackedWeightsError(ValueError):
    """A checkpoint of the model would lack weights of the model."""


def track_collections(model: Any) -> None:
    """Let TensorFlow's tracking reach the layers and weights that Keras 3 layers keep in lists, tuples, dicts or sets.

    Their keys in a checkpoint are those that tf_keras gives them: `model/blocks/0/...`, `model/heads/box/...`. Under
    tf_keras there is nothing to do.

    Args:
        model: A Keras model or layer, whose collections are complete: call it again after adding to one.
    """
    if not _is_keras_3(model):
        return
    for layer in model._flatten_layers():
        collections = {name: getattr(layer, name, None) for name in layer._tracked}
        reached = _reached(layer) if any(collections.values()) else set()
        for name, value in collections.items():
            if _holds_unreached(value, reached):
                layer._track_trackable(tf.__internal__.tracking.wrap(_plain(value)), name=name, overwrite=True)


def require_tracked(model: Any) -> None:
    """Raise when a checkpoint of the model would not hold all of its weights.

    Args:
        model: A built Keras model.

    Raises:
        UntrackedWeightsError: Weights are not reached; the message names them.
    """
    reached = _reached(model)
    lost = [
        getattr(weight, "path", weight.name)
        for weight in model.weights
        if not {id(weight), id(getattr(weight, "value", None))} & reached
    ]
    if lost:
        more = f" and {len(lost) - _SHOWN} more" if len(lost) > _SHOWN else ""
        raise UntrackedWeightsError(
            f"A checkpoint of {type(model).__name__} would not hold {', '.join(lost[:_SHOWN])}{more}: "
            f"{len(lost)} of {len(model.weights)} weights cannot be reached through the attributes of the model. Keep "
            "the layers in attributes, or in lists and dicts that are attributes; a container of another type is not "
            "seen."
        )


def _is_keras_3(model: Any) -> bool:
    """Whether an object is a layer of Keras 3; tf_keras tracks collections itself."""
    return hasattr(model, "_flatten_layers") and hasattr(model, "_tracked")


def _reached(model: Any) -> set[int]:
    """The identities of all that TensorFlow's tracking reaches from a model."""
    return {id(one) for one in tf.train.TrackableView(model).descendants()}


def _is_collection(value: Any) -> bool:
    return isinstance(value, list | tuple | set | Mapping)


def _holds_unreached(value: Any, reached: set[int]) -> bool:
    """Whether something that TensorFlow can track is in a collection, at any depth, and is not reached yet."""
    if _is_collection(value):
        members = value.values() if isinstance(value, Mapping) else value
        return any(_holds_unreached(member, reached) for member in members)
    return isinstance(value, tf.__internal__.tracking.Trackable) and id(value) not in reached


def _plain(value: Any) -> Any:
    """The collection as TensorFlow tracks it: lists, and dicts with text for keys, of what can be tracked."""
    if isinstance(value, Mapping):
        return {str(key): _plain(member) for key, member in value.items()}
    if isinstance(value, set):
        # A set has no order of its own; names are the same in the next process when layers are made in the same order.
        return [_plain(member) for member in sorted(value, key=lambda one: str(getattr(one, "name", one)))]
    if isinstance(value, list | tuple):
        return [_plain(member) for member in value]
    return value
