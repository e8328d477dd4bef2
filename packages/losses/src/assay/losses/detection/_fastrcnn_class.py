"""Loss of the classes of boxes, called with the outputs first, as in Model Garden.

```python
import tensorflow as tf
from assay.losses import FastrcnnClassLoss

FastrcnnClassLoss(top_k_percent=0.5)(tf.zeros([1, 2, 3]), tf.constant([[2, 0]]))  # [batch, boxes]; 0 is background
```
"""

from collections.abc import Sequence
from typing import Any

from assay.losses._cross_entropy import sigmoid_cross_entropy, softmax_cross_entropy
from assay.losses._flavour import serialisable
from assay.losses._function_loss import FunctionLoss
from assay.losses._labels import as_predictions
from assay.losses._options import optional_floats
from assay.losses._reduction import SUM_OVER_BATCH_SIZE
from assay.losses._replicas import GLOBAL
from assay.losses.segmentation._mining import check_share, mean_of_hardest


def fastrcnn_class_loss(
    class_outputs: Any,
    class_targets: Any,
    *,
    use_binary_cross_entropy: bool = False,
    top_k_percent: float = 1.0,
    class_weights: Sequence[float] | None = None,
) -> Any:
    """Cross-entropy of the class of each box, background (0) included, one value per box or per image.

        value[box] = softmax_cross_entropy, or the mean over the classes of a sigmoid cross-entropy
        value[image] = mean over its hardest boxes of value[box]                with `top_k_percent` below 1

    Args:
        class_outputs: Logits `[batch, boxes, num_classes]` float. Computed in float32, in float64 when they are
            float64.
        class_targets: Ids `[batch, boxes]`. They receive no gradient.
        use_binary_cross_entropy: A sigmoid per class instead of a softmax.
        top_k_percent: Share of an image's boxes that are kept, in (0, 1], at least one box.
        class_weights: One factor per class.

    Returns:
        `[batch, boxes]` float32 (or float64), or `[batch]` when boxes are mined. NaN for an id out of range.

    Raises:
        ValueError: If shapes do not fit or an option is out of range.

    References:
        Girshick, "Fast R-CNN", 2015.
    """
    check_share(top_k_percent, argument="top_k_percent")
    return _values(
        class_targets,
        _outputs(class_outputs),
        use_binary_cross_entropy=use_binary_cross_entropy,
        top_k_percent=top_k_percent,
        class_weights=class_weights,
    )


def _outputs(class_outputs: Any) -> Any:
    class_outputs = as_predictions(class_outputs)
    if class_outputs.shape.rank != 3:
        raise ValueError(f"`class_outputs` must be [batch, boxes, num_classes]. Received shape {class_outputs.shape}.")
    return class_outputs


def _values(
    targets: Any,
    outputs: Any,
    *,
    use_binary_cross_entropy: bool,
    top_k_percent: float,
    class_weights: Sequence[float] | None,
) -> Any:
    cross_entropy = sigmoid_cross_entropy if use_binary_cross_entropy else softmax_cross_entropy
    values = cross_entropy(targets, outputs, class_weights=class_weights)
    return values if top_k_percent == 1.0 else mean_of_hardest(values, None, share=top_k_percent)


@serialisable
class FastrcnnClassLoss(FunctionLoss):
    """Cross-entropy of the class of each box, background (0) included; see `fastrcnn_class_loss` for the formula.

    Called as `loss(class_outputs, class_targets)`: logits `[batch, boxes, num_classes]` and ids `[batch, boxes]`. The
    unreduced loss has shape `[batch, boxes]`. With `top_k_percent` below 1 the value of an image is the mean over its
    own hardest boxes, and the shape is `[batch]`. Normaliser: the number of boxes, or of images.

    Args:
        use_binary_cross_entropy: A sigmoid per class instead of a softmax.
        top_k_percent: Share of an image's boxes that are kept, in (0, 1].
        class_weights: One factor per class. It can be given with the call as well, as in Model Garden.
        reduction: "sum_over_batch_size", "mean_with_sample_weight", "sum" or "none".
        normalisation: "global" adds weights up over all replicas, "replica" on each alone.
        name: Name of the loss.

    Raises:
        ValueError: If an option is out of range; on a call, if shapes do not fit.

    References:
        Girshick, "Fast R-CNN", 2015.
    """

    function = staticmethod(_values)
    top_k_percent: float

    def __init__(
        self,
        use_binary_cross_entropy: bool = False,
        top_k_percent: float = 1.0,
        *,
        class_weights: Sequence[float] | None = None,
        reduction: str | None = SUM_OVER_BATCH_SIZE,
        normalisation: str = GLOBAL,
        name: str = "fastrcnn_class_loss",
    ) -> None:
        check_share(top_k_percent, argument="top_k_percent")
        super().__init__(
            use_binary_cross_entropy=bool(use_binary_cross_entropy),
            top_k_percent=float(top_k_percent),
            class_weights=optional_floats(class_weights),
            reduction=reduction,
            normalisation=normalisation,
            name=name,
        )

    def __call__(  # type: ignore[override]
        self, class_outputs: Any, class_targets: Any, class_weights: Any = None, sample_weight: Any = None
    ) -> Any:
        """Compute the loss; `sample_weight` has the shape `[batch, boxes]` or `[batch]`."""
        if class_weights is not None:
            other = type(self).from_config({**self.get_config(), "class_weights": list(class_weights)})
            return other(class_outputs, class_targets, sample_weight=sample_weight)
        return super().__call__(class_targets, class_outputs, sample_weight)

    def prepare(self, y_true: Any, y_pred: Any) -> tuple[Any, Any]:
        """Ids and logits of boxes as tensors."""
        return super().prepare(y_true, _outputs(y_pred))

    def element_shape(self, y_pred: Any) -> Any:
        """Static shape of the unreduced loss."""
        return y_pred.shape[:-1] if self.top_k_percent == 1.0 else y_pred.shape[:1]
