"""Configs: what a loss says of itself, through JSON or its Keras flavour's own serializer, and a loss made of it."""

from __future__ import annotations

import json
from typing import Any

from assay.conformance.context import Context
from assay.conformance.harness.calls import calling
from assay.conformance.harness.flavour import KERAS_3, flavour_of, keras_for
from assay.conformance.harness.losses.component import make_loss
from assay.conformance.model.errors import NotApplicable


def config_of(ctx: Context) -> tuple[Any, dict[str, Any]]:
    """Return a new loss and its config.

    Raises:
      NotApplicable: If it has no `get_config`, or a function of the base class that does not know its arguments.
      SubjectError: If `get_config` raises.
    """
    loss = make_loss(ctx)
    if not callable(getattr(loss, "get_config", None)):
        raise NotApplicable("The loss has no method get_config().")
    with calling("get_config()"):
        config = loss.get_config()
    if not isinstance(config, dict):
        raise NotApplicable(f"get_config() gives a {type(config).__name__}, and not a dict.")
    return loss, config


def through_json(loss: Any, config: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """Return a config written as JSON and read back, and what went wrong; one of the two is empty."""
    try:
        return json.loads(json.dumps(config)), ""
    except (TypeError, ValueError) as plain:
        keras = keras_for(flavour_of(loss))
        library = keras.saving if flavour_of(loss) == KERAS_3 else keras.utils
        if not any(_is_keras(value) for value in config.values()):
            return {}, f"cannot be written as JSON: {plain}"
        try:
            text = json.dumps({key: _serialized(library, value) for key, value in config.items()})
            read = json.loads(text)
            return {key: config[key] if _is_keras(config[key]) else value for key, value in read.items()}, ""
        except Exception as error:  # the serializer raises what it likes for what it cannot write
            return {}, f"cannot be written as JSON, nor by Keras' serializer: {error}"


def rebuild(loss: Any, config: dict[str, Any]) -> Any:
    """Return a loss made of a config by the class of another.

    Raises:
      NotApplicable: If the class has no `from_config`.
      SubjectError: If `from_config` raises.
    """
    if not callable(getattr(type(loss), "from_config", None)):
        raise NotApplicable("The loss has no classmethod from_config().")
    with calling("from_config(get_config())"):
        return type(loss).from_config(dict(config))


def _is_keras(value: Any) -> bool:
    """Whether a value is something that Keras' serializer is for: an object with a config, or a function."""
    return hasattr(value, "get_config") or (callable(value) and hasattr(value, "__name__"))


def _serialized(library: Any, value: Any) -> Any:
    return library.serialize_keras_object(value) if _is_keras(value) else value
