"""Focal losses as Keras objects.

```python
from assay.losses import SigmoidFocalLoss

loss = SigmoidFocalLoss(alpha=0.25, gamma=1.5, background_label=-1, reduction="sum")
loss([[2, -1]], [[[0.1, 0.2, 3.0], [-2.0, -1.0, 0.5]]])  # two anchors, the second without an object
```
"""

from collections.abc import Sequence

from assay.losses._cross_entropy import check_class_reduction, check_label_smoothing
from assay.losses._flavour import serialisable
from assay.losses._function_loss import ClassifierLoss
from assay.losses._options import check_not_negative, optional_int
from assay.losses._reduction import SUM_OVER_BATCH_SIZE
from assay.losses._replicas import GLOBAL
from assay.losses.focal import _sigmoid, _softmax
from assay.losses.focal._options import check_alpha, factor_or_factors


@serialisable
class SigmoidFocalLoss(ClassifierLoss):
    """Focal loss of one sigmoid per class (Lin et al., 2017), as RetinaNet uses it.

    See `sigmoid_focal_loss` for the formula, the shapes and the labels. The unreduced loss has shape `[batch, ...]`:
    the sum, or the mean, over the classes.

    Normaliser: that of `reduction`, counting elements (anchors), not classes. The paper divides by the number of
    anchors that hold an object: `reduction="sum"` and divide, or use `RetinaNetLoss`, which does. Under
    `sum_over_batch_size` ignored elements are not counted; replicas then exchange their counts
    (`normalisation="global"`), see `CrossEntropyLoss`.

    Args:
        alpha: Weight of targets of 1, and `1 - alpha` that of targets of 0; None for no weights.
        gamma: Focusing parameter >= 0.
        from_logits: Whether predictions are logits (the default) or probabilities.
        label_smoothing: Moves the targets towards 1/2, in [0, 1].
        ignore_label: Value of entries to leave out, or sparse id of elements to leave out.
        background_label: Sparse id of elements without a class: all their targets are 0.
        class_reduction: "sum" or "mean" over the classes.
        reduction: "sum_over_batch_size", "mean_with_sample_weight", "sum" or "none".
        normalisation: "global" counts valid elements and weights over all replicas, "replica" on each alone.
        name: Name of the loss.

    Raises:
        ValueError: If an option is out of range; on a call, if shapes do not fit.
    """

    function = staticmethod(_sigmoid.sigmoid_focal_loss)
    ignores_entries = True

    def __init__(
        self,
        *,
        alpha: float | None = _sigmoid.ALPHA,
        gamma: float = _sigmoid.GAMMA,
        from_logits: bool = True,
        label_smoothing: float = 0.0,
        ignore_label: int | None = None,
        background_label: int | None = None,
        class_reduction: str = "sum",
        reduction: str | None = SUM_OVER_BATCH_SIZE,
        normalisation: str = GLOBAL,
        name: str = "sigmoid_focal_loss",
    ) -> None:
        check_alpha(alpha)
        check_not_negative(gamma, option="gamma")
        check_label_smoothing(label_smoothing)
        check_class_reduction(class_reduction)
        super().__init__(
            alpha=None if alpha is None else float(alpha),
            gamma=float(gamma),
            from_logits=bool(from_logits),
            label_smoothing=float(label_smoothing),
            ignore_label=optional_int(ignore_label),
            background_label=optional_int(background_label, option="background_label"),
            class_reduction=class_reduction,
            reduction=reduction,
            normalisation=normalisation,
            name=name,
        )


@serialisable
class SoftmaxFocalLoss(ClassifierLoss):
    """Focal loss of a softmax over exclusive classes.

    See `softmax_focal_loss` for the formula, the shapes and the labels. The unreduced loss has shape `[batch, ...]`.

    Normaliser: as in `CrossEntropyLoss`; elements that are ignored are not counted.

    Args:
        gamma: Focusing parameter >= 0.
        alpha: None, one factor for all classes, or one factor per class.
        from_logits: Whether predictions are logits (the default) or probabilities.
        label_smoothing: Share of the target spread evenly over all classes, in [0, 1].
        ignore_label: Sparse id of elements to leave out.
        reduction: "sum_over_batch_size", "mean_with_sample_weight", "sum" or "none".
        normalisation: "global" counts valid elements and weights over all replicas, "replica" on each alone.
        name: Name of the loss.

    Raises:
        ValueError: If an option is out of range; on a call, if shapes do not fit.
    """

    function = staticmethod(_softmax.softmax_focal_loss)

    def __init__(
        self,
        *,
        gamma: float = 2.0,
        alpha: float | Sequence[float] | None = None,
        from_logits: bool = True,
        label_smoothing: float = 0.0,
        ignore_label: int | None = None,
        reduction: str | None = SUM_OVER_BATCH_SIZE,
        normalisation: str = GLOBAL,
        name: str = "softmax_focal_loss",
    ) -> None:
        check_not_negative(gamma, option="gamma")
        check_label_smoothing(label_smoothing)
        super().__init__(
            gamma=float(gamma),
            alpha=factor_or_factors(alpha),
            from_logits=bool(from_logits),
            label_smoothing=float(label_smoothing),
            ignore_label=optional_int(ignore_label),
            reduction=reduction,
            normalisation=normalisation,
            name=name,
        )
