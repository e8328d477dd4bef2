"""Supervised contrastive learning: examples of one class are drawn together, all others pushed apart.

```python
from assay.losses import SupervisedContrastiveLoss

SupervisedContrastiveLoss(temperature=0.1)([0, 0, 1], [[1.0, 0.1], [0.9, 0.0], [0.0, 1.0]])
```
"""

from typing import Any

import tensorflow as tf
from assay.losses._flavour import serialisable
from assay.losses._function_loss import FunctionLoss
from assay.losses._labels import as_predictions
from assay.losses._options import check_above_zero
from assay.losses._reduction import SUM_OVER_BATCH_SIZE, align_weights, compute_dtype, hide
from assay.losses._replicas import GLOBAL

# Shorter embeddings than this are not scaled to length 1: their direction is rounding.
SHORTEST = 1e-12


def supervised_contrastive_loss(labels: Any, embeddings: Any, *, temperature: float = 0.1, keep: Any = None) -> Any:
    """The loss of each example as an anchor, against all others of the batch.

    With embeddings `z` scaled to length 1, `P(i)` the other examples of the class of `i`, and `A(i)` all others:

        value[i] = mean over p in P(i) of -log(exp(z_i . z_p / T) / sum_{a in A(i)} exp(z_i . z_a / T))

    the paper's `L_out`. An example without another one of its class has value 0; see `SupervisedContrastiveLoss`.

    Args:
        labels: Class ids `[batch]` (or `[batch, 1]`), integers.
        embeddings: `[batch, dimensions]` float. Computed in float32, in float64 when they are float64.
        temperature: `T` > 0.
        keep: Boolean `[batch]`; false leaves an example out, as anchor and as company. None keeps all.

    Returns:
        `[batch]` float32 (or float64), not negative.

    Raises:
        ValueError: If shapes do not fit or the temperature is not above 0.

    References:
        Khosla et al., "Supervised Contrastive Learning", 2020.
    """
    check_above_zero(temperature, option="temperature")
    embeddings = as_predictions(embeddings)
    others = _others(embeddings, keep)
    positives = tf.logical_and(_same_class(_ids(labels, embeddings)), others)
    dtype = compute_dtype(embeddings)
    vectors = tf.cast(embeddings, dtype)
    lengths = tf.sqrt(tf.maximum(tf.reduce_sum(tf.square(vectors), axis=-1, keepdims=True), SHORTEST**2))
    vectors = vectors / lengths
    similarity = tf.matmul(vectors, vectors, transpose_b=True) / temperature
    lowest = tf.constant(similarity.dtype.min / 2, dtype)
    log_sum = tf.reduce_logsumexp(tf.where(others, similarity, lowest), axis=-1, keepdims=True)
    zero = tf.zeros([], dtype)
    losses = tf.reduce_sum(tf.where(positives, log_sum - similarity, zero), axis=-1)
    return tf.math.divide_no_nan(losses, tf.reduce_sum(tf.cast(positives, dtype), axis=-1))


def has_positive(labels: Any, embeddings: Any, keep: Any = None) -> Any:
    """Which examples have another one of their class: boolean `[batch]`."""
    return tf.reduce_any(tf.logical_and(_same_class(_ids(labels, embeddings)), _others(embeddings, keep)), axis=-1)


def _ids(labels: Any, embeddings: Any) -> Any:
    labels = tf.convert_to_tensor(labels)
    received = labels.shape
    if labels.shape.rank == 2 and labels.shape[-1] == 1:
        labels = tf.squeeze(labels, axis=-1)
    if (
        embeddings.shape.rank != 2
        or labels.shape.rank != 1
        or not labels.shape.is_compatible_with(embeddings.shape[:1])
    ):
        raise ValueError(
            f"Class ids must have shape [batch], and embeddings [batch, dimensions]. Received shapes {received} and "
            f"{embeddings.shape}."
        )
    return labels


def _same_class(ids: Any) -> Any:
    return tf.equal(ids[:, tf.newaxis], ids[tf.newaxis, :])


def _others(embeddings: Any, keep: Any) -> Any:
    """`[batch, batch]`: whether the second is another example than the first, and both take part."""
    number = tf.range(tf.shape(embeddings)[0])
    others = tf.not_equal(number[:, tf.newaxis], number[tf.newaxis, :])
    if keep is None:
        return others
    keep = tf.broadcast_to(keep, tf.shape(number))
    return tf.logical_and(others, tf.logical_and(keep[:, tf.newaxis], keep[tf.newaxis, :]))


@serialisable
class SupervisedContrastiveLoss(FunctionLoss):
    """Supervised contrastive loss; see `supervised_contrastive_loss` for the formula.

    `y_true` are class ids `[batch]`, `y_pred` embeddings `[batch, dimensions]` of any length: two views of an image are
    two rows of one class. The unreduced loss has shape `[batch]`. It couples the examples of a batch on purpose: each
    replica contrasts its own examples only, so the result depends on the batch of a replica, not on the global one. The
    conformance suite is told so with the trait `mixes_examples`. Weights multiply the values of anchors: an example of
    weight 0 is still company to the others, unless it is not finite.

    Normaliser: `sum_over_batch_size` divides by the number of anchors that have another example of their class, over
    all replicas by default.

    Args:
        temperature: > 0.
        reduction: "sum_over_batch_size", "mean_with_sample_weight", "sum" or "none".
        normalisation: "global" counts anchors over all replicas, "replica" on each alone.
        name: Name of the loss.

    Raises:
        ValueError: If the temperature is not above 0; on a call, if shapes do not fit.
    """

    function = staticmethod(supervised_contrastive_loss)

    def __init__(
        self,
        *,
        temperature: float = 0.1,
        reduction: str | None = SUM_OVER_BATCH_SIZE,
        normalisation: str = GLOBAL,
        name: str = "supervised_contrastive_loss",
    ) -> None:
        check_above_zero(temperature, option="temperature")
        super().__init__(temperature=float(temperature), reduction=reduction, normalisation=normalisation, name=name)

    def masked(self, y_true: Any, y_pred: Any, sample_weight: Any) -> tuple[Any, Any, Any, Any, Any]:
        """Weights come after the comparison: an example of weight 0 is left out of it only if it is not finite."""
        labels, embeddings = self.prepare(y_true, y_pred)
        keep = weights = None
        if sample_weight is not None:
            weights = align_weights(tf.convert_to_tensor(sample_weight), self.element_shape(embeddings))
            finite = tf.reduce_all(tf.math.is_finite(embeddings), axis=-1)
            keep = tf.logical_or(tf.not_equal(weights, tf.zeros([], weights.dtype)), finite)
            embeddings = hide(embeddings, keep)
        return labels, embeddings, weights, self.valid_elements(labels, embeddings), keep

    def values(self, y_true: Any, y_pred: Any, keep: Any) -> Any:
        """The unreduced loss among the examples that take part."""
        return supervised_contrastive_loss(y_true, y_pred, **self.options(), keep=keep)

    def valid_elements(self, y_true: Any, y_pred: Any) -> Any:
        """Anchors that have another example of their class."""
        return has_positive(y_true, y_pred)
