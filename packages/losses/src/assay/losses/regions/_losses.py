"""Region losses as Keras objects.

```python
import tensorflow as tf
from assay.losses import DiceLoss

loss = DiceLoss(ignore_label=255, class_weights=[0.0, 1.0, 1.0])  # the background does not count
loss(tf.zeros([2, 8, 8], tf.int32), tf.zeros([2, 8, 8, 3]), sample_weight=[1.0, 0.5])
```
"""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
from assay.losses._flavour import serialisable
from assay.losses._function_loss import FunctionLoss
from assay.losses._labels import align_labels, as_predictions
from assay.losses._options import check_not_negative, optional_floats, optional_int
from assay.losses._reduction import SUM_OVER_BATCH_SIZE
from assay.losses._replicas import GLOBAL
from assay.losses.regions._lovasz import lovasz_softmax_loss
from assay.losses.regions._masks import check_options
from assay.losses.regions._overlap import check_tversky, dice_loss, tversky_loss


class _RegionLoss(FunctionLoss):
    """What the region losses share: one value per image, and images of ignored pixels only do not count."""

    ignore_label: int | None

    def element_shape(self, y_pred: Any) -> Any:
        """Static shape `[batch]` of the unreduced loss."""
        return y_pred.shape[:1]

    def valid_elements(self, y_true: Any, y_pred: Any) -> Any:
        """Images with a pixel that is not `ignore_label`."""
        if self.ignore_label is None:
            return None
        labels, sparse = align_labels(y_true, as_predictions(y_pred))
        if not sparse:
            return None
        kept = tf.not_equal(labels, tf.cast(self.ignore_label, labels.dtype))
        return tf.reduce_any(kept, axis=list(range(1, labels.shape.rank)))


@serialisable
class DiceLoss(_RegionLoss):
    """One minus the Dice coefficient of each image; see `dice_loss` for the formula and the labels.

    The unreduced loss has shape `[batch]`. Overlaps are those of one image, not of the batch: the loss of an image
    depends on no other, whatever the batch size and the number of replicas. Normaliser: the number of images; those in
    which all pixels are ignored do not count, over all replicas by default.

    Args:
        smooth: Added to both sides of the fraction, >= 0.
        squared: The denominator of V-Net.
        activation: "softmax" or "sigmoid".
        from_logits: Whether predictions are logits (the default) or probabilities.
        classes: "all", or "present" for those in the labels of the image.
        class_weights: One factor per class for the average.
        ignore_label: Sparse id of pixels to leave out.
        reduction: "sum_over_batch_size", "mean_with_sample_weight", "sum" or "none".
        normalisation: "global" counts images over all replicas, "replica" on each alone.
        name: Name of the loss.

    Raises:
        ValueError: If an option is out of range; on a call, if shapes do not fit.
    """

    function = staticmethod(dice_loss)

    def __init__(
        self,
        *,
        smooth: float = 1.0,
        squared: bool = False,
        activation: str = "softmax",
        from_logits: bool = True,
        classes: str = "all",
        class_weights: Sequence[float] | None = None,
        ignore_label: int | None = None,
        reduction: str | None = SUM_OVER_BATCH_SIZE,
        normalisation: str = GLOBAL,
        name: str = "dice_loss",
    ) -> None:
        check_options(activation, classes)
        check_not_negative(smooth, option="smooth")
        super().__init__(
            smooth=float(smooth),
            squared=bool(squared),
            activation=activation,
            from_logits=bool(from_logits),
            classes=classes,
            class_weights=optional_floats(class_weights),
            ignore_label=optional_int(ignore_label),
            reduction=reduction,
            normalisation=normalisation,
            name=name,
        )


@serialisable
class TverskyLoss(_RegionLoss):
    """One minus the Tversky index of each image; see `tversky_loss` for the formula, `DiceLoss` for the normaliser.

    Args:
        alpha: Weight of false positives, >= 0.
        beta: Weight of false negatives, >= 0.
        smooth: Added to both sides of the fraction, >= 0.
        activation: "softmax" or "sigmoid".
        from_logits: Whether predictions are logits (the default) or probabilities.
        classes: "all", or "present" for those in the labels of the image.
        class_weights: One factor per class for the average.
        ignore_label: Sparse id of pixels to leave out.
        reduction: "sum_over_batch_size", "mean_with_sample_weight", "sum" or "none".
        normalisation: "global" counts images over all replicas, "replica" on each alone.
        name: Name of the loss.

    Raises:
        ValueError: If an option is out of range; on a call, if shapes do not fit.
    """

    function = staticmethod(tversky_loss)

    def __init__(
        self,
        *,
        alpha: float = 0.3,
        beta: float = 0.7,
        smooth: float = 1.0,
        activation: str = "softmax",
        from_logits: bool = True,
        classes: str = "all",
        class_weights: Sequence[float] | None = None,
        ignore_label: int | None = None,
        reduction: str | None = SUM_OVER_BATCH_SIZE,
        normalisation: str = GLOBAL,
        name: str = "tversky_loss",
    ) -> None:
        check_options(activation, classes)
        check_not_negative(smooth, option="smooth")
        check_tversky(alpha, beta)
        super().__init__(
            alpha=float(alpha),
            beta=float(beta),
            smooth=float(smooth),
            activation=activation,
            from_logits=bool(from_logits),
            classes=classes,
            class_weights=optional_floats(class_weights),
            ignore_label=optional_int(ignore_label),
            reduction=reduction,
            normalisation=normalisation,
            name=name,
        )


@serialisable
class LovaszSoftmaxLoss(_RegionLoss):
    """The Lovász extension of the Jaccard loss of each image; see `lovasz_softmax_loss` for the formula.

    The unreduced loss has shape `[batch]`; the normaliser is that of `DiceLoss`.

    Args:
        from_logits: Whether predictions are logits (the default) or probabilities.
        classes: "present" for those in the labels of the image, or "all".
        class_weights: One factor per class for the average.
        ignore_label: Sparse id of pixels to leave out.
        reduction: "sum_over_batch_size", "mean_with_sample_weight", "sum" or "none".
        normalisation: "global" counts images over all replicas, "replica" on each alone.
        name: Name of the loss.

    Raises:
        ValueError: If an option is out of range; on a call, if shapes do not fit.
    """

    function = staticmethod(lovasz_softmax_loss)

    def __init__(
        self,
        *,
        from_logits: bool = True,
        classes: str = "present",
        class_weights: Sequence[float] | None = None,
        ignore_label: int | None = None,
        reduction: str | None = SUM_OVER_BATCH_SIZE,
        normalisation: str = GLOBAL,
        name: str = "lovasz_softmax_loss",
    ) -> None:
        check_options("softmax", classes)
        super().__init__(
            from_logits=bool(from_logits),
            classes=classes,
            class_weights=optional_floats(class_weights),
            ignore_label=optional_int(ignore_label),
            reduction=reduction,
            normalisation=normalisation,
            name=name,
        )
