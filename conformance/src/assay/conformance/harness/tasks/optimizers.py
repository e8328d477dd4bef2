"""The suite's own optimizers: plain SGD of the model's own Keras flavour, with loss scaling where a rule needs it."""

from __future__ import annotations

import functools
from typing import Any

from assay.conformance.harness.flavour import KERAS_3, Flavour, flavour_of, keras_for
from assay.conformance.harness.values import as_numpy

LEARNING_RATE = 0.1

_CLASSES = {"sgd": "SGD", "adam": "Adam"}


def make_optimizer(
    model: Any,
    variables: list[Any],
    *,
    learning_rate: float = LEARNING_RATE,
    momentum: float = 0.0,
    loss_scale: float | None = None,
    algorithm: str = "sgd",
) -> Any:
    """Return an SGD (or Adam) optimizer whose variables exist already; call it inside the strategy's scope.

    It remembers the gradients it is given in `applied_gradients` (see `applied_gradients`) when it runs eagerly.

    Args:
      model: The model; the optimizer is of its Keras flavour.
      variables: The trainable variables.
      learning_rate: The constant learning rate.
      momentum: The momentum of SGD; above zero there is one slot variable for each trainable variable.
      loss_scale: When given, the optimizer is wrapped in the flavour's LossScaleOptimizer, starting at this scale.
      algorithm: `sgd` or `adam`.
    """
    flavour = flavour_of(model)
    options = {"momentum": momentum} if algorithm == "sgd" else {}
    optimizer = _recording(flavour, _CLASSES[algorithm])(learning_rate=learning_rate, **options)
    optimizer.record = _Record()
    if loss_scale is not None:
        # A scale that never moves keeps the update comparable with the unscaled one.
        scaled = keras_for(flavour).mixed_precision.LossScaleOptimizer
        if flavour == KERAS_3:
            optimizer = scaled(optimizer, initial_scale=loss_scale, dynamic_growth_steps=10**6)
        else:
            optimizer = scaled(optimizer, dynamic=True, initial_scale=loss_scale, dynamic_growth_steps=10**6)
    optimizer.build(variables)
    return optimizer


def inner_optimizer(optimizer: Any) -> Any:
    """Return the optimizer inside a LossScaleOptimizer, or the optimizer itself."""
    return getattr(optimizer, "inner_optimizer", optimizer)


def applied_gradients(optimizer: Any) -> list[list[tuple[Any, Any]]]:
    """Return what the optimizer was given when it ran eagerly: a list per call, of `(gradient or None, variable)`."""
    return inner_optimizer(optimizer).record.calls


class _Record:
    """Holds the record out of Keras' sight: of a list on the optimizer it would track the variables as its own."""

    def __init__(self) -> None:
        self.calls: list[list[tuple[Any, Any]]] = []


def optimizer_variables(optimizer: Any) -> list[Any]:
    """Return the variables of an optimizer, of either flavour; those of a wrapped one are among them."""
    found: list[Any] = []
    for part in (optimizer, inner_optimizer(optimizer)):
        variables = part.variables
        for variable in variables() if callable(variables) else variables:
            if not any(variable is known for known in found):
                found.append(variable)
    return found


def optimizer_iterations(optimizer: Any) -> int:
    """Return how many updates the optimizer has counted."""
    return int(as_numpy(inner_optimizer(optimizer).iterations))


@functools.cache
def _recording(flavour: Flavour, name: str) -> Any:
    """The flavour's optimizer of a name, which also keeps the gradients that it is given when it runs eagerly."""
    base = getattr(keras_for(flavour).optimizers, name)

    def record(self: Any, pairs: list[tuple[Any, Any]]) -> None:
        import tensorflow as tf

        if tf.executing_eagerly():
            self.record.calls.append(pairs)

    def apply(self: Any, grads: Any, trainable_variables: Any = None) -> Any:
        """Every way of applying gradients in Keras 3 comes through here."""
        gradients = list(grads)
        variables = self._trainable_variables if trainable_variables is None else list(trainable_variables)
        record(self, list(zip(gradients, variables, strict=True)))
        return base.apply(self, gradients, None if trainable_variables is None else variables)

    def apply_gradients(self: Any, grads_and_vars: Any, *args: Any, **kwargs: Any) -> Any:
        """Every way of applying gradients in tf_keras comes through here."""
        pairs = list(grads_and_vars)
        record(self, pairs)
        return base.apply_gradients(self, pairs, *args, **kwargs)

    overridden = {"apply": apply} if flavour == KERAS_3 else {"apply_gradients": apply_gradients}
    return type(name, (base,), overridden)
