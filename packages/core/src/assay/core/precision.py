"""Mixed precision by name, and the one place that knows how each Keras flavour scales a loss.

Both flavours scale the loss before the gradients are taken and divide the gradients afterwards, but not in the same
place: tf_keras leaves the division to the caller, Keras 3 divides inside `apply`. A train step that goes through the
two functions below is right under both, and with a plain optimizer they change nothing:

```python
with tf.GradientTape() as tape:
    outputs = cast_outputs_to_float32(model(features, training=True))
    loss = loss_fn(labels, outputs)
    scaled_loss = scale_loss(optimizer, loss / tf.distribute.get_strategy().num_replicas_in_sync)
gradients = tape.gradient(scaled_loss, model.trainable_variables)
apply_scaled_gradients(optimizer, gradients, model.trainable_variables)
```
"""

from collections.abc import Iterator, Sequence
from typing import Any

import tensorflow as tf

POLICIES = {
    "float32": "float32",
    "float16": "mixed_float16",
    "bfloat16": "mixed_bfloat16",
}
"""The Keras dtype policy that each value of `runtime.mixed_precision_dtype` stands for."""

DYNAMIC = "dynamic"
_HALF_DTYPES = (tf.float16, tf.bfloat16)


def set_mixed_precision_policy(dtype: str | None) -> None:
    """Make `dtype` the compute dtype of every Keras layer built from now on; variables stay float32.

    Args:
        dtype: `float32`, `float16` or `bfloat16`; a TensorFlow dtype works too. None means float32, so that a run does
            not inherit the policy of an earlier run in the same process.

    Raises:
        ValueError: `dtype` is none of these.
    """
    name = "float32" if dtype is None else getattr(dtype, "name", dtype)
    if name not in POLICIES:
        raise ValueError(
            f"`dtype` must be one of {', '.join(POLICIES)} or None; received {dtype!r}. "
            "(The Keras policies that mix precisions follow from it: float16 gives mixed_float16.)"
        )
    tf.keras.mixed_precision.set_global_policy(POLICIES[name])


def wrap_loss_scale(optimizer: Any, loss_scale: float | str | None) -> Any:
    """Give `optimizer` a loss scale, which float16 needs so that small gradients do not become zero.

    Args:
        optimizer: A Keras optimizer of either flavour, not yet wrapped.
        loss_scale: `"dynamic"` for one that halves when a gradient is not finite (that step is skipped) and doubles
            after 2,000 good steps; a positive number for a fixed one, under which no step is skipped; None for none.

    Returns:
        A `LossScaleOptimizer` around `optimizer`; `optimizer` itself for None, and, under Keras 3, for a number
        (Keras 3 keeps a fixed scale as the optimizer's own `loss_scale_factor`).

    Raises:
        ValueError: `loss_scale` is neither `"dynamic"`, a positive number nor None, or `optimizer` is wrapped already.
    """
    if loss_scale is None:
        return optimizer
    if hasattr(optimizer, "inner_optimizer"):
        raise ValueError(
            f"`optimizer` is already wrapped ({type(optimizer).__name__} around "
            f"{type(optimizer.inner_optimizer).__name__}); a second loss scale would multiply the first."
        )
    if loss_scale == DYNAMIC:
        return tf.keras.mixed_precision.LossScaleOptimizer(optimizer)
    if isinstance(loss_scale, bool) or not isinstance(loss_scale, int | float) or not loss_scale > 0:
        raise ValueError(f"`loss_scale` must be 'dynamic', a number above 0 or None; received {loss_scale!r}.")
    if _scales_by_itself(optimizer):
        optimizer.loss_scale_factor = float(loss_scale)
        return optimizer
    return tf.keras.mixed_precision.LossScaleOptimizer(optimizer, dynamic=False, initial_scale=float(loss_scale))


def scale_loss(optimizer: Any, loss: tf.Tensor) -> tf.Tensor:
    """Multiply `loss` by the loss scale of `optimizer`; take the gradients of the result.

    Args:
        optimizer: Any optimizer; one without a loss scale returns the loss as it is.
        loss: Scalar, this replica's share of the loss (divided by the number of replicas already).

    Returns:
        The scaled loss. Under a loss scale a float16 or bfloat16 loss is cast to float32 first: 2**15 times a loss of
        2 is no longer a float16 number.
    """
    for layer in _layers(optimizer):
        if hasattr(layer, "get_scaled_loss"):
            loss = layer.get_scaled_loss(_at_least_float32(loss))
        elif _own_scale(layer) is not None:
            loss = layer.scale_loss(_at_least_float32(loss))
    return loss


def apply_scaled_gradients(optimizer: Any, gradients: Sequence[Any], variables: Sequence[Any]) -> None:
    """Undo the loss scale, sum over the replicas, clip, and apply: one optimizer step.

    Call it once a step, in replica context. With a dynamic loss scale a step whose gradients are not finite on *any*
    replica is skipped on *all* of them and the scale is halved. `optimizer.iterations` counts such a step under
    tf_keras and does not under Keras 3.

    Two things are done here because Keras 3 (up to 3.15) does them on each replica's own gradients, before the sum:
    its `LossScaleOptimizer` looks at the first replica only, so an overflow on another one reaches the weights; and
    clipping clips each replica's share, so that the step depends on the number of replicas.

    Args:
        optimizer: Any optimizer.
        gradients: Gradients of `scale_loss(optimizer, loss)`, one per variable, None where there is none.
        variables: The variables, in the same order.
    """
    gradients = list(gradients)
    if not _scales_by_itself(optimizer):
        for layer in _layers(optimizer):
            if hasattr(layer, "get_unscaled_gradients"):
                gradients = layer.get_unscaled_gradients(gradients)
    elif _num_replicas_here() > 1:
        gradients = _agreed_by_replicas(optimizer, gradients)
    optimizer.apply_gradients(list(zip(gradients, variables, strict=True)))


def current_loss_scale(optimizer: Any) -> float | tf.Tensor:
    """Return the factor by which `scale_loss` multiplies now: 1.0 without loss scaling."""
    scale: Any = 1.0
    for layer in _layers(optimizer):
        own = layer.loss_scale if hasattr(layer, "get_scaled_loss") else _own_scale(layer)
        if own is not None:
            scale = scale * tf.convert_to_tensor(own, tf.float32)
    return scale


def innermost_optimizer(optimizer: Any) -> Any:
    """Return the optimizer that holds the learning rate and the slots, under any number of wrappers."""
    return list(_layers(optimizer))[-1]


def cast_outputs_to_float32(outputs: Any) -> Any:
    """Cast the float16 and bfloat16 tensors of a nested structure to float32, so that the loss is computed in it.

    Args:
        outputs: A tensor, or any nest of lists, tuples and dicts of them.

    Returns:
        The same structure. Integers, booleans, strings, float64 and what is not a tensor stay as they are.
    """
    return tf.nest.map_structure(_at_least_float32, outputs)


def _at_least_float32(value: Any) -> Any:
    return tf.cast(value, tf.float32) if getattr(value, "dtype", None) in _HALF_DTYPES else value


def _scales_by_itself(optimizer: Any) -> bool:
    """Say whether this is a Keras 3 optimizer: `apply` divides the gradients by what `scale_loss` multiplied by."""
    return hasattr(optimizer, "scale_loss")


def _layers(optimizer: Any) -> Iterator[Any]:
    """Yield the optimizer and what it wraps, outermost first."""
    yield optimizer
    while (inner := getattr(optimizer, "inner_optimizer", None)) is not None:
        optimizer = inner
        yield optimizer


def _own_scale(layer: Any) -> Any:
    """Return the loss scale of one Keras 3 optimizer, None when it has none."""
    if hasattr(layer, "initial_scale"):
        return layer.dynamic_scale if layer.built else layer.initial_scale
    return getattr(layer, "loss_scale_factor", None)


def _num_replicas_here() -> int:
    context = tf.distribute.get_replica_context()
    return context.num_replicas_in_sync if context is not None else 1


def _agreed_by_replicas(optimizer: Any, gradients: list[Any]) -> list[Any]:
    """Make the gradients such that Keras 3's per-replica skip and clip decide alike everywhere (see the caller)."""
    inner = innermost_optimizer(optimizer)
    clips = any((inner.clipnorm, inner.clipvalue, inner.global_clipnorm)) and not inner.gradient_accumulation_steps
    skips = any(hasattr(layer, "initial_scale") for layer in _layers(optimizer))
    if not (clips or skips) or all(gradient is None for gradient in gradients):
        return gradients
    replicas = _num_replicas_here()
    context = tf.distribute.get_replica_context()
    if clips:
        present = [gradient for gradient in gradients if gradient is not None]
        gradients = _refill(gradients, context.all_reduce(tf.distribute.ReduceOp.SUM, present))
    if skips:
        present = [gradient for gradient in gradients if gradient is not None]
        finite = [tf.reduce_all(tf.math.is_finite(_values(gradient))) for gradient in present]
        bad = 1.0 - tf.cast(tf.reduce_all(tf.stack(finite)), tf.float32)
        bad = context.all_reduce(tf.distribute.ReduceOp.SUM, bad)
        mark = tf.where(bad > 0, float("nan"), 1.0)
    if clips:
        gradients = _clipped(inner, gradients, threshold_scale=current_loss_scale(optimizer))
        # The optimizer will sum over the replicas once more; its own clipping then finds nothing to clip.
        gradients = _scaled(gradients, 1.0 / replicas)
    return _scaled(gradients, mark) if skips else gradients


def _clipped(inner: Any, gradients: list[Any], threshold_scale: Any) -> list[Any]:
    """Clip as `inner` is configured to, its threshold multiplied by `threshold_scale`."""
    if inner.global_clipnorm:
        present = [gradient for gradient in gradients if gradient is not None]
        clipped, _ = tf.clip_by_global_norm(present, inner.global_clipnorm * threshold_scale)
        return _refill(gradients, clipped)
    if inner.clipnorm:
        limit = inner.clipnorm * threshold_scale
        return [gradient if gradient is None else tf.clip_by_norm(gradient, limit) for gradient in gradients]
    limit = inner.clipvalue * threshold_scale
    return [gradient if gradient is None else tf.clip_by_value(gradient, -limit, limit) for gradient in gradients]


def _refill(gradients: list[Any], present: Sequence[Any]) -> list[Any]:
    """Put `present` where `gradients` is not None."""
    values = iter(present)
    return [None if gradient is None else next(values) for gradient in gradients]


def _scaled(gradients: list[Any], factor: Any) -> list[Any]:
    def scaled(gradient: Any) -> Any:
        if gradient is None:
            return None
        values = _values(gradient) * tf.cast(factor, gradient.dtype)
        if isinstance(gradient, tf.IndexedSlices):
            return tf.IndexedSlices(values, gradient.indices, gradient.dense_shape)
        return values

    return [scaled(gradient) for gradient in gradients]


def _values(gradient: Any) -> tf.Tensor:
    return gradient.values if isinstance(gradient, tf.IndexedSlices) else gradient
