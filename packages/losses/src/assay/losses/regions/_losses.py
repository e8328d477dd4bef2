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
from assay.losses._labels import align_labels, as_predictions
from assay.losses._reduction import SUM_OVER_BATCH_SIZE
from assay.losses._replicas import GLOBAL
from assay.losses._weighted_loss import WeightedLoss
from assay.losses.regions._lovasz import lovasz_softmax_loss
from assay.losses.regions._masks import check_options
from assay.losses.regions._overlap import check_smooth, check_tversky, dice_loss, tversky_loss


class _RegionLoss(WeightedLoss):
    """What the region losses share: one value per image, and images of ignored pixels only do not count."""

    def __init__(
        self,
        *,
        from_logits: bool,
        classes: str,
        class_weights: Sequence[float] | None,
        ignore_label: int | None,
        reduction: str | None,
        normalisation: str,
        name: str,
    ) -> None:
        super().__init__(reduction=reduction, normalisation=normalisation, name=name)
        self.from_logits = bool(from_logits)
        self.classes = classes
        self.class_weights = None if class_weights is None else [float(weight) for weight in class_weights]
        self.ignore_label = None if ignore_label is None else int(ignore_label)

    def options(self) -> dict[str, Any]:
        """The options as the plain function takes them."""
        return {
            "from_logits": self.from_logits,
            "classes": self.classes,
            "class_weights": self.class_weights,
            "ignore_label": self.ignore_label,
        }

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

    def get_config(self) -> dict[str, Any]:
        """Every constructor argument, as JSON values."""
        return {**super().get_config(), **self.options()}


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
        super().__init__(
            from_logits=from_logits,
            classes=classes,
            class_weights=class_weights,
            ignore_label=ignore_label,
            reduction=reduction,
            normalisation=normalisation,
            name=name,
        )
        check_options(activation, classes)
        check_smooth(smooth)
        self.smooth = float(smooth)
        self.squared = bool(squared)
        self.activation = activation

    def options(self) -> dict[str, Any]:
        """The options as the plain function takes them."""
        own = {"smooth": self.smooth, "squared": self.squared, "activation": self.activation}
        return {**super().options(), **own}

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The unreduced, unweighted loss: `[batch]`."""
        return dice_loss(y_true, y_pred, **self.options())


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
        super().__init__(
            from_logits=from_logits,
            classes=classes,
            class_weights=class_weights,
            ignore_label=ignore_label,
            reduction=reduction,
            normalisation=normalisation,
            name=name,
        )
        check_options(activation, classes)
        check_smooth(smooth)
        check_tversky(alpha, beta)
        self.alpha = float(alpha)
        self.beta = float(beta)
        self.smooth = float(smooth)
        self.activation = activation

    def options(self) -> dict[str, Any]:
        """The options as the plain function takes them."""
        own = {"alpha": self.alpha, "beta": self.beta, "smooth": self.smooth, "activation": self.activation}
        return {**super().options(), **own}

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The unreduced, unweighted loss: `[batch]`."""
        return tversky_loss(y_true, y_pred, **self.options())


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
        super().__init__(
            from_logits=from_logits,
            classes=classes,
            class_weights=class_weights,
            ignore_label=ignore_label,
            reduction=reduction,
            normalisation=normalisation,
            name=name,
        )
        check_options("softmax", classes)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The unreduced, unweighted loss: `[batch]`."""
        return lovasz_softmax_loss(y_true, y_pred, **self.options())
