"""Values and gradients of a loss on a batch, in any mode; compiled once a reduction and mode, read by all rules."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness.calls import calling
from assay.conformance.harness.compiling import recorded
from assay.conformance.harness.device_types import on_the_device_alone
from assay.conformance.harness.losses.component import LossComponent, as_tensors, to_float64
from assay.conformance.harness.samples import Batch
from assay.conformance.harness.standing_in import through_xla
from assay.conformance.harness.strategies import placement, strategy_for
from assay.conformance.model.errors import NotApplicable
from assay.conformance.model.vocabulary import Mode

_NAMES = {"value": "the loss", "gradient": "the loss with its gradients"}


@dataclasses.dataclass(frozen=True, eq=False)
class Gradient:
    """A loss, and how it changes with its predictions.

    Attributes:
      value: The loss, float64.
      gradients: Of its sum with respect to each array of predictions; None where nothing connects them.
    """

    value: np.ndarray
    gradients: tuple[np.ndarray | None, ...]


def output(ctx: Context, loss: LossComponent, batch: Batch, weights: Any = None, *, mode: Mode | None = None) -> Any:
    """Return what a loss returns for a batch, as a tensor.

    Raises:
      SubjectError: If the loss raises.
    """
    return _call(ctx, loss, "value", lambda: loss, batch, weights, mode)


def value(
    ctx: Context, loss: LossComponent, batch: Batch, weights: Any = None, *, mode: Mode | None = None
) -> np.ndarray:
    """Return what a loss returns for a batch, as float64.

    Raises:
      SubjectError: If the loss raises.
    """
    return np.asarray(to_float64(output(ctx, loss, batch, weights, mode=mode)))


def gradient(
    ctx: Context, loss: LossComponent, batch: Batch, weights: Any = None, *, mode: Mode | None = None
) -> Gradient:
    """Return a loss and the gradients of its sum with respect to the predictions.

    Raises:
      SubjectError: If the loss raises.
    """
    found, gradients = _call(ctx, loss, "gradient", lambda: differentiated(loss), batch, weights, mode)
    return Gradient(
        np.asarray(to_float64(found)), tuple(None if g is None else np.asarray(to_float64(g)) for g in gradients)
    )


def _call(
    ctx: Context,
    loss: LossComponent,
    what: str,
    make: Callable[[], Callable[..., Any]],
    batch: Batch,
    weights: Any,
    mode: Mode | None,
) -> Any:
    import tensorflow as tf

    mode = mode or ctx.mode
    y_true, y_pred = as_tensors(batch)
    if mode is Mode.XLA and any(leaf.dtype == tf.string for leaf in tf.nest.flatten((y_true, y_pred))):
        raise NotApplicable("The batch holds strings, which XLA cannot be given.")
    key = (what, mode, weights is not None)
    if key not in loss.compiled:
        function = make()
        if mode is Mode.XLA:
            function = through_xla(recorded(tf.function(function, jit_compile=True), function, name=_NAMES[what]))
        elif mode is not Mode.EAGER:
            function = tf.function(function)
        loss.compiled[key] = function
    weighted = "" if weights is None else f", weights {list(np.shape(weights))}"
    arguments = (y_true, y_pred) if weights is None else (y_true, y_pred, tf.constant(weights, tf.float32))
    doing = f"the loss with reduction {loss.reduction} on {batch.describe()}{weighted}, mode {mode},"
    place = placement(ctx.target, strategy_for(ctx.target, Mode.EAGER))
    with place, on_the_device_alone(ctx.target), calling(doing):
        return loss.compiled[key](*arguments)


def differentiated(loss: LossComponent) -> Callable[..., Any]:
    """Return a function of the same arguments that gives a loss, and the gradients of its sum by its predictions."""
    import tensorflow as tf

    def run(y_true: Any, y_pred: Any, weights: Any = None) -> Any:
        with tf.GradientTape() as tape:
            leaves = tf.nest.flatten(y_pred)
            for leaf in leaves:
                tape.watch(leaf)
            found = tf.convert_to_tensor(loss(y_true, y_pred, weights))
            total = tf.reduce_sum(found)
        return found, [None if g is None else tf.convert_to_tensor(g) for g in tape.gradient(total, leaves)]

    return run
