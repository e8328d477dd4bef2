"""Losses of classifiers as Keras objects.

```python
from assay.losses import CrossEntropyLoss

loss = CrossEntropyLoss(label_smoothing=0.1, reduction="sum")
loss([2, 0], [[0.1, 0.2, 3.0], [2.0, -1.0, 0.5]], sample_weight=[1.0, 0.5])  # a scalar
```
"""

from collections.abc import Sequence

from assay.losses import _cross_entropy as functions
from assay.losses._flavour import serialisable
from assay.losses._function_loss import ClassifierLoss
from assay.losses._options import optional_floats, optional_int
from assay.losses._reduction import SUM_OVER_BATCH_SIZE
from assay.losses._replicas import GLOBAL


@serialisable
class CrossEntropyLoss(ClassifierLoss):
    """Softmax cross-entropy for exclusive classes, from sparse ids, one-hot or soft labels.

    Which form labels have follows from their rank, see `softmax_cross_entropy` for the formula and the shapes. The
    unreduced loss has shape `[batch, ...]`, the predictions' without the last axis.

    Normaliser: `sum_over_batch_size` divides by the number of elements that are not ignored, whatever they weigh;
    `mean_with_sample_weight` by the sum of their weights. Divide the result by `num_replicas_in_sync` when the
    gradients of replicas are summed; for Keras' own `fit` on several replicas, which does that division for its own
    losses, see "With `fit`" in the README. With ignored labels, masks, or
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

    function = staticmethod(functions.softmax_cross_entropy)

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
        functions.check_label_smoothing(label_smoothing)
        super().__init__(
            from_logits=bool(from_logits),
            label_smoothing=float(label_smoothing),
            class_weights=optional_floats(class_weights),
            ignore_label=optional_int(ignore_label),
            reduction=reduction,
            normalisation=normalisation,
            name=name,
        )


@serialisable
class SigmoidCrossEntropyLoss(ClassifierLoss):
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

    function = staticmethod(functions.sigmoid_cross_entropy)
    ignores_entries = True

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
        functions.check_label_smoothing(label_smoothing)
        functions.check_class_reduction(class_reduction)
        super().__init__(
            from_logits=bool(from_logits),
            label_smoothing=float(label_smoothing),
            class_weights=optional_floats(class_weights),
            ignore_label=optional_int(ignore_label),
            class_reduction=class_reduction,
            reduction=reduction,
            normalisation=normalisation,
            name=name,
        )
