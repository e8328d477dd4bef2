"""Losses of classifiers as Keras objects.

```python
from assay.losses import CrossEntropyLoss

loss = CrossEntropyLoss(label_smoothing=0.1, reduction="sum")
loss([2, 0], [[0.1, 0.2, 3.0], [2.0, -1.0, 0.5]], sample_weight=[1.0, 0.5])  # a scalar
```
"""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
from assay.losses import _cross_entropy as functions
from assay.losses._flavour import serialisable
from assay.losses._labels import align_labels, as_predictions
from assay.losses._reduction import SUM_OVER_BATCH_SIZE
from assay.losses._replicas import GLOBAL
from assay.losses._weighted_loss import WeightedLoss


class _ClassifierLoss(WeightedLoss):
    """The options that softmax and sigmoid cross-entropy share."""

    def __init__(
        self,
        *,
        from_logits: bool,
        label_smoothing: float,
        class_weights: Sequence[float] | None,
        ignore_label: int | None,
        reduction: str | None,
        normalisation: str,
        name: str,
    ) -> None:
        super().__init__(reduction=reduction, normalisation=normalisation, name=name)
        functions.check_label_smoothing(label_smoothing)
        self.from_logits = bool(from_logits)
        self.label_smoothing = float(label_smoothing)
        self.class_weights = None if class_weights is None else tuple(float(weight) for weight in class_weights)
        self.ignore_label = None if ignore_label is None else int(ignore_label)

    def options(self) -> dict[str, Any]:
        """The options as the plain function takes them."""
        return {
            "from_logits": self.from_logits,
            "label_smoothing": self.label_smoothing,
            "class_weights": None if self.class_weights is None else list(self.class_weights),
            "ignore_label": self.ignore_label,
        }

    def element_shape(self, y_pred: Any) -> Any:
        """Static shape `[batch, ...]` of the unreduced loss."""
        return self.shape_without_classes(y_pred)

    def get_config(self) -> dict[str, Any]:
        """Every constructor argument, as JSON values."""
        return {**super().get_config(), **self.options()}


@serialisable
class CrossEntropyLoss(_ClassifierLoss):
    """Softmax cross-entropy for exclusive classes, from sparse ids, one-hot or soft labels.

    Which form labels have follows from their rank, see `softmax_cross_entropy` for the formula and the shapes. The
    unreduced loss has shape `[batch, ...]`, the predictions' without the last axis.

    Normaliser: `sum_over_batch_size` divides by the number of elements that are not ignored, whatever they weigh;
    `mean_with_sample_weight` by the sum of their weights. Divide the result by `num_replicas_in_sync` when the
    gradients of replicas are summed. Keras' own `fit` on several replicas does that division for its losses under
    tf_keras only; under Keras 3 do it yourself, or use a training loop of your own. With ignored labels, masks, or
    weights in the denominator, replicas count differently: they then exchange one number per call
    (`normalisation="global"`). Where all elements count, none is exchanged, and replicas are taken to hold equally
    many.

    Args:
        from_logits: Whether predictions are logits (the default here, unlike in Keras) or probabilities.
        label_smoothing: Share of the target spread evenly over all classes, in [0, 1].
        class_weights: One factor per class; an element is multiplied by the factor of its class.
        ignore_label: Sparse id of elements to leave out, for example 255 or -1.
        reduction: "sum_over_batch_size", "mean_with_sample_weight", "sum" or "none".
        normalisation: "global" counts valid elements and weights over all replicas, "replica" on each alone.
        name: Name of the loss.

    Raises:
        ValueError: If an option is out of range; on a call, if shapes do not fit.
    """

    def __init__(
        self,
        *,
        from_logits: bool = True,
        label_smoothing: float = 0.0,
        class_weights: Sequence[float] | None = None,
        ignore_label: int | None = None,
        reduction: str | None = SUM_OVER_BATCH_SIZE,
        normalisation: str = GLOBAL,
        name: str = "cross_entropy_loss",
    ) -> None:
        super().__init__(
            from_logits=from_logits,
            label_smoothing=label_smoothing,
            class_weights=class_weights,
            ignore_label=ignore_label,
            reduction=reduction,
            normalisation=normalisation,
            name=name,
        )

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The unreduced, unweighted loss: `[batch, ...]`."""
        return functions.softmax_cross_entropy(y_true, y_pred, **self.options())

    def valid_elements(self, y_true: Any, y_pred: Any) -> Any:
        """Elements whose sparse id is not `ignore_label`."""
        if self.ignore_label is None:
            return None
        labels, sparse = align_labels(y_true, as_predictions(y_pred))
        return tf.not_equal(labels, tf.cast(self.ignore_label, labels.dtype)) if sparse else None


@serialisable
class SigmoidCrossEntropyLoss(_ClassifierLoss):
    """Sigmoid cross-entropy, one binary decision per class, from one-hot, multi-label, soft or sparse labels.

    See `sigmoid_cross_entropy` for the formula and the shapes. The unreduced loss has shape `[batch, ...]`: the mean,
    or the sum, over the classes.

    Normaliser: as in `CrossEntropyLoss`. An element is left out only when all its entries are ignored.

    Args:
        from_logits: Whether predictions are logits (the default here, unlike in Keras) or probabilities.
        label_smoothing: Moves the targets towards 1/2, in [0, 1].
        class_weights: One factor per class, multiplied to the entries of that class.
        ignore_label: Value of entries to leave out (or sparse id of elements to leave out), for example -1.
        class_reduction: "mean" or "sum" over the classes.
        reduction: "sum_over_batch_size", "mean_with_sample_weight", "sum" or "none".
        normalisation: "global" counts valid elements and weights over all replicas, "replica" on each alone.
        name: Name of the loss.

    Raises:
        ValueError: If an option is out of range; on a call, if shapes do not fit.
    """

    def __init__(
        self,
        *,
        from_logits: bool = True,
        label_smoothing: float = 0.0,
        class_weights: Sequence[float] | None = None,
        ignore_label: int | None = None,
        class_reduction: str = "mean",
        reduction: str | None = SUM_OVER_BATCH_SIZE,
        normalisation: str = GLOBAL,
        name: str = "sigmoid_cross_entropy_loss",
    ) -> None:
        super().__init__(
            from_logits=from_logits,
            label_smoothing=label_smoothing,
            class_weights=class_weights,
            ignore_label=ignore_label,
            reduction=reduction,
            normalisation=normalisation,
            name=name,
        )
        functions.check_class_reduction(class_reduction)
        self.class_reduction = class_reduction

    def options(self) -> dict[str, Any]:
        """The options as the plain function takes them."""
        return {**super().options(), "class_reduction": self.class_reduction}

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The unreduced, unweighted loss: `[batch, ...]`."""
        return functions.sigmoid_cross_entropy(y_true, y_pred, **self.options())

    def valid_elements(self, y_true: Any, y_pred: Any) -> Any:
        """Elements with at least one entry that is not `ignore_label`."""
        if self.ignore_label is None:
            return None
        predictions = as_predictions(y_pred)
        labels, sparse = align_labels(y_true, predictions)
        kept = functions.kept_entries(labels, predictions, sparse=sparse, ignore_label=self.ignore_label)
        return tf.reduce_any(kept, axis=-1)
