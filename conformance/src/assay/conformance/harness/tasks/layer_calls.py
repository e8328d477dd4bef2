"""Which layers a step calls, and in which mode: the value of `training` as each layer's own `call` receives it.

It is read where a layer computes, after Keras has resolved defaults, the outer layer's value and the learning phase, so
that it is the truth whatever way the flag took. The layers are watched one by one and left as they were.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import inspect
from collections.abc import Callable, Iterator
from typing import Any

from assay.conformance.harness.flavour import layers_of

FLAG_NAMES = ("training", "is_training", "train")
"""What the flag is called: Keras' name, and those that models made of `tf.Module` use."""


@dataclasses.dataclass(frozen=True)
class LayerCall:
    """One call of a layer that takes the flag.

    Attributes:
      layer: The layer's name and class: `dropout (Dropout)`.
      training: The flag; None when none was given (which computes as inference) or its value cannot be read.
      outermost: Whether no layer that takes the flag was calling: nothing above could have passed it on.
      by_task: Whether no layer at all was calling: the flag is what the Task itself passed.
    """

    layer: str
    training: bool | None
    outermost: bool
    by_task: bool


@dataclasses.dataclass
class _Stack:
    """How many calls are open: of layers, and of layers that take the flag."""

    layers: int = 0
    flagged: int = 0


@contextlib.contextmanager
def watching_layers(model: Any) -> Iterator[list[LayerCall]]:
    """Record the calls of a model and its layers while the block runs; one record for each call that takes the flag.

    Args:
      model: A Keras model of either flavour, or any callable object.
    """
    calls: list[LayerCall] = []
    stack = _Stack()
    with contextlib.ExitStack() as watches:
        layers = layers_of(model)
        for layer in layers:
            watches.enter_context(_watched_method(layer, calls, stack))
        if not any(layer is model for layer in layers):
            watches.enter_context(_watched_class(model, calls, stack))
        yield calls


@contextlib.contextmanager
def replaced_method(thing: Any, name: str, replacement: Callable[..., Any]) -> Iterator[bool]:
    """Replace a method of one object while the block runs; yields whether the object let itself be changed.

    It goes past `__setattr__`: Keras tracks what is assigned to its objects.
    """
    before = vars(thing).get(name) if hasattr(thing, "__dict__") else None
    try:
        object.__setattr__(thing, name, replacement)
    except (AttributeError, TypeError):  # an object with __slots__ cannot be watched
        yield False
        return
    try:
        yield True
    finally:
        if before is None:
            object.__delattr__(thing, name)
        else:
            object.__setattr__(thing, name, before)


def _watched_method(layer: Any, calls: list[LayerCall], stack: _Stack) -> contextlib.AbstractContextManager[Any]:
    """Watch `layer.call`."""
    original = layer.call
    label = f"{layer.name} ({type(layer).__name__})"
    return replaced_method(layer, "call", _recording(original, inspect.signature(original), label, calls, stack))


@contextlib.contextmanager
def _watched_class(model: Any, calls: list[LayerCall], stack: _Stack) -> Iterator[None]:
    """Watch the `__call__` of an object that is no Keras layer: Python looks it up on the class."""
    cls = type(model)
    signature = inspect.signature(model)
    original = cls.__call__

    def watched(self: Any, *args: Any, **kwargs: Any) -> Any:
        bound = functools.partial(original, self)
        return _recording(bound, signature, cls.__name__, calls, stack)(*args, **kwargs)

    watching = type(cls.__name__, (cls,), {"__call__": watched, "__module__": cls.__module__})
    try:
        object.__setattr__(model, "__class__", watching)
    except TypeError:  # another memory layout: cannot be watched
        yield
        return
    try:
        yield
    finally:
        object.__setattr__(model, "__class__", cls)


def _recording(
    original: Callable[..., Any], signature: inspect.Signature, label: str, calls: list[LayerCall], stack: _Stack
) -> Callable[..., Any]:
    """Return a function that calls the original and records the flag, if it takes one."""

    @functools.wraps(original)
    def call(*args: Any, **kwargs: Any) -> Any:
        flag = _flag_parameter(signature, kwargs)
        if flag is not None:
            training = _value(signature, flag, args, kwargs)
            calls.append(LayerCall(label, training, outermost=not stack.flagged, by_task=not stack.layers))
        stack.layers += 1
        stack.flagged += flag is not None
        try:
            return original(*args, **kwargs)
        finally:
            stack.layers -= 1
            stack.flagged -= flag is not None

    return call


def _flag_parameter(signature: inspect.Signature, kwargs: dict[str, Any]) -> str | None:
    return next((name for name in FLAG_NAMES if name in signature.parameters or name in kwargs), None)


def _value(signature: inspect.Signature, flag: str, args: Any, kwargs: dict[str, Any]) -> bool | None:
    """The flag's value as a bool, or None when it is not given or belongs to a graph that has not run."""
    import tensorflow as tf

    if flag in kwargs:
        value = kwargs[flag]
    else:
        bound = signature.bind_partial(*args, **kwargs)
        bound.apply_defaults()
        value = bound.arguments.get(flag)
    if value is None or value is inspect.Parameter.empty:
        return None
    if tf.is_tensor(value) or isinstance(value, tf.Variable):
        static = tf.get_static_value(value)
        return None if static is None else bool(static)
    return bool(value)
