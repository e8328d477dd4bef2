"""The one place that weights and normalises: every loss of the package reduces its values here.

A loss makes one value per *element*: a tensor of shape `[batch, ...]`. Then, with weight `w` and validity `v` (1, or 0
for an element that is ignored) of each element:

| reduction | result | denominator |
|---|---|---|
| `none` | `w * v * value`, shape `[batch, ...]` | - |
| `sum` | `sum(w * v * value)` | - |
| `sum_over_batch_size` | `sum(w * v * value) / sum(v)` | elements that are not ignored, whatever they weigh |
| `mean_with_sample_weight` | `sum(w * v * value) / sum(w * v)` | weights |
| `sum_over_positives` | `sum(w * v * value) / max(positives, 1)` | what a detection loss counts |

A step that sums the gradients of its replicas divides the result by `num_replicas_in_sync`. Denominators that depend on
the data (`v`, weights, positives) are the mean of the replicas' own (`normalisation="global"`), so that the step's
result is that of one replica with the whole batch, or the replica's own (`"replica"`). A denominator of 0 gives 0.
"""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
from assay.losses._replicas import GLOBAL, REPLICA, mean_over_replicas, num_replicas

NONE = "none"
SUM = "sum"
SUM_OVER_BATCH_SIZE = "sum_over_batch_size"
MEAN_WITH_SAMPLE_WEIGHT = "mean_with_sample_weight"
SUM_OVER_POSITIVES = "sum_over_positives"
REDUCTIONS = (NONE, SUM, SUM_OVER_BATCH_SIZE, MEAN_WITH_SAMPLE_WEIGHT)


def check_reduction(reduction: str | None, allowed: Sequence[str] = REDUCTIONS) -> str:
    """Return the canonical name of a reduction; None means `none`.

    Raises:
        ValueError: If it is not one of those that are allowed.
    """
    if reduction is None:
        return NONE
    if reduction not in allowed:
        raise ValueError(f"`reduction` must be one of {', '.join(allowed)}. Received: {reduction!r}.")
    return str(reduction)


def compute_dtype(predictions: Any) -> Any:
    """The dtype a loss is computed in: float64 for float64 predictions, float32 for all others."""
    return tf.float64 if predictions.dtype == tf.float64 else tf.float32


def align_weights(weights: Any, shape: Any, *, argument: str = "sample_weight") -> Any:
    """Bring weights or a mask to the shape of the elements, without a broadcast that nobody asked for.

    Accepted, for elements of shape `[d0, ..., dn]`: a scalar; that shape; that shape with axes of size 1 after the
    first; a leading part `[d0, ..., dk]` of it (a weight per row); any of these with one more axis of size 1 at the
    end.

    Args:
        weights: Tensor of any dtype.
        shape: Static shape (`tf.TensorShape`) of the elements; its rank must be known.
        argument: What to call the weights in an error.

    Returns:
        A tensor of the rank of the elements, or a scalar, that multiplies the elements axis by axis.

    Raises:
        ValueError: If the shapes do not fit.
    """
    rank = weights.shape.rank
    if rank is None or shape.rank is None:
        raise ValueError(
            f"`{argument}` has shape {weights.shape} for elements of shape {shape}: both ranks must be known, to be "
            "aligned without guessing. Set the shape of the tensor (`tf.ensure_shape`)."
        )
    if rank == 0:
        return weights
    received = weights.shape
    if rank == shape.rank + 1 and weights.shape[-1] == 1:
        weights = tf.squeeze(weights, axis=-1)
        rank -= 1
    fits = 0 < rank <= shape.rank and all(
        _axis_fits(have, want, first=axis == 0)
        for axis, (have, want) in enumerate(zip(weights.shape, shape, strict=False))
    )
    if not fits:
        raise ValueError(
            f"`{argument}` must be a scalar, or have the shape of the elements, {shape}, or a leading part of it. "
            f"Received shape {received}. A likely cause is a per-class or per-pixel weight where the loss has one "
            "value per example."
        )
    for _ in range(shape.rank - rank):
        weights = tf.expand_dims(weights, axis=-1)
    return weights


def _axis_fits(have: int | None, want: int | None, *, first: bool) -> bool:
    if have is None or want is None or have == want:
        return True
    return have == 1 and not first


def hide(tensor: Any, keep: Any) -> Any:
    """Replace what belongs to hidden elements by zeros, so that it reaches neither the value nor the gradient.

    Multiplying a NaN by a weight of 0 gives NaN, in the value and again in the gradient; a `where` *before* the
    computation gives neither.

    Args:
        tensor: `[batch, ...]` or `[batch, ..., channels]`.
        keep: Boolean, of the rank of the elements `[batch, ...]` or a scalar; false hides.

    Returns:
        A tensor like `tensor`.
    """
    while 0 < keep.shape.rank < tensor.shape.rank:
        keep = tf.expand_dims(keep, axis=-1)
    return tf.where(keep, tensor, tf.zeros([], tensor.dtype))


def reduce_values(
    values: Any,
    *,
    weights: Any = None,
    valid: Any = None,
    reduction: str = SUM_OVER_BATCH_SIZE,
    normalisation: str = REPLICA,
    positives: Any = None,
) -> Any:
    """Weight and reduce the values of the elements; see the table of this module.

    Args:
        values: `[batch, ...]`, float32 or float64.
        weights: None, or weights that `align_weights` aligned.
        valid: None, or a boolean mask that `align_weights` aligned; false takes the element out.
        reduction: One of `REDUCTIONS`, or `sum_over_positives` with `positives`.
        normalisation: "global" or "replica": over which replicas a denominator that depends on the data is counted.
        positives: The number of positives that `sum_over_positives` divides by: a scalar, or one number for each entry
            of the last axis of the values, whose quotients are added up.

    Returns:
        A tensor of the dtype of `values`: of their shape for `none`, else a scalar. An empty batch and a batch without
        valid elements give 0.
    """
    if weights is not None:
        weights = tf.cast(weights, values.dtype)
        values = tf.where(tf.not_equal(weights, 0), values * weights, tf.zeros([], values.dtype))
    if valid is not None:
        values = hide(values, valid)
    if reduction == NONE:
        return values
    total = tf.reduce_sum(values)
    if reduction == SUM:
        return total
    if reduction == SUM_OVER_POSITIVES:
        return _per_positive(values, tf.cast(positives, values.dtype), normalisation)
    counted = [tf.cast(valid, values.dtype)] if valid is not None else []
    if reduction == MEAN_WITH_SAMPLE_WEIGHT and weights is not None:
        counted.append(weights)
    if not counted:
        return tf.math.divide_no_nan(total, tf.cast(tf.size(values), values.dtype))
    denominator = _count(values, counted)
    if normalisation == GLOBAL:
        denominator = mean_over_replicas(denominator)
    return tf.math.divide_no_nan(total, denominator)


def _per_positive(values: Any, positives: Any, normalisation: str) -> Any:
    """The sum of the values over the positives, of which there is taken to be at least one on all replicas together."""
    least = 1.0
    if normalisation == GLOBAL:
        positives, least = mean_over_replicas(positives), 1.0 / num_replicas()
    totals = tf.reduce_sum(values, axis=list(range(values.shape.rank - positives.shape.rank)))
    return tf.reduce_sum(totals / tf.maximum(positives, least))


def _count(values: Any, factors: Sequence[Any]) -> Any:
    """The sum, over all elements, of the product of the factors."""
    product = factors[0]
    for factor in factors[1:]:
        product = product * factor
    if product.shape != values.shape or not values.shape.is_fully_defined():
        product = tf.broadcast_to(product, tf.shape(values))
    return tf.reduce_sum(product)
