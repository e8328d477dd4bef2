"""The segmentation loss as a Keras object.

```python
import tensorflow as tf
from assay.losses import SegmentationLoss

loss = SegmentationLoss(ignore_label=255, top_k_percent_pixels=0.25, class_weights=[0.5, 2.0])
loss(tf.ones([2, 64, 64], tf.int32), tf.zeros([2, 16, 16, 2]))  # logits are resized to the labels
```
"""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
from assay.losses._cross_entropy import check_label_smoothing
from assay.losses._flavour import serialisable
from assay.losses._function_loss import FunctionLoss
from assay.losses._options import optional_floats, optional_int
from assay.losses._reduction import SUM_OVER_BATCH_SIZE
from assay.losses._replicas import GLOBAL
from assay.losses.segmentation._mining import check_share
from assay.losses.segmentation._pixels import fitted, segmentation_loss, valid_pixels


@serialisable
class SegmentationLoss(FunctionLoss):
    """Cross-entropy of every pixel of a label map.

    `y_true` is `[batch, height, width]` (or with a last axis of 1), or `[batch, height, width, layers]` when pixels
    belong to several classes; `y_pred` is `[batch, h, w, num_classes]` logits. The unreduced loss and `sample_weight`
    have the shape `[batch, height, width]` of the side that was not resized; a weight per image `[batch]` will do.

    * Softmax (default): `CrossEntropyLoss` of the pixel's class. A pixel is multiplied by its class's weight.
    * `use_binary_cross_entropy`: the mean over the classes of a sigmoid cross-entropy, where every class that a layer
      names is a target of 1; entries are multiplied by their class's weight, and smoothing moves targets towards 1/2.
    * `gt_is_matting_map`: labels are the share of the foreground, in [0, 1], of two classes.
    * `top_k_percent_pixels` below 1: the value of an image is the mean over its own hardest pixels. The unreduced loss,
      and `sample_weight`, then have the shape `[batch]`, and the normaliser counts images that are not ignored
      altogether. (Model Garden lets all pixels of a batch compete, so that the loss of an image depends on the others.)

    Normaliser: `sum_over_batch_size` divides by the number of pixels that are not ignored, whatever they weigh, without
    an epsilon; it is counted over all replicas (`normalisation="global"`, the default: images differ in how much of
    them is ignored), which costs an exchange of one number per call. See `CrossEntropyLoss`.

    Args:
        ignore_label: Id of pixels to leave out; None for none. A pixel of several layers is left out when all are.
        class_weights: One factor per class.
        label_smoothing: Share of the target spread evenly over all classes, in [0, 1].
        use_binary_cross_entropy: A sigmoid per class instead of a softmax.
        top_k_percent_pixels: Share of an image's pixels that are kept, in (0, 1]. A fraction, as in Model Garden.
        use_groundtruth_dimension: Resize the logits to the labels (bilinear), or the labels to the logits (nearest).
        gt_is_matting_map: Whether labels are the share of the foreground.
        reduction: "sum_over_batch_size", "mean_with_sample_weight", "sum" or "none".
        normalisation: "global" counts valid pixels and weights over all replicas, "replica" on each alone.
        name: Name of the loss.

    Raises:
        ValueError: If an option is out of range; on a call, if shapes do not fit.

    References:
        Long, Shelhamer, Darrell, "Fully Convolutional Networks for Semantic Segmentation", 2015.
    """

    function = staticmethod(segmentation_loss)
    ignore_label: int | None
    top_k_percent_pixels: float
    use_groundtruth_dimension: bool

    def __init__(
        self,
        *,
        ignore_label: int | None = 255,
        class_weights: Sequence[float] | None = None,
        label_smoothing: float = 0.0,
        use_binary_cross_entropy: bool = False,
        top_k_percent_pixels: float = 1.0,
        use_groundtruth_dimension: bool = True,
        gt_is_matting_map: bool = False,
        reduction: str | None = SUM_OVER_BATCH_SIZE,
        normalisation: str = GLOBAL,
        name: str = "segmentation_loss",
    ) -> None:
        check_label_smoothing(label_smoothing)
        check_share(top_k_percent_pixels, argument="top_k_percent_pixels")
        super().__init__(
            ignore_label=optional_int(ignore_label),
            class_weights=optional_floats(class_weights),
            label_smoothing=float(label_smoothing),
            use_binary_cross_entropy=bool(use_binary_cross_entropy),
            top_k_percent_pixels=float(top_k_percent_pixels),
            use_groundtruth_dimension=bool(use_groundtruth_dimension),
            gt_is_matting_map=bool(gt_is_matting_map),
            reduction=reduction,
            normalisation=normalisation,
            name=name,
        )

    @property
    def mines(self) -> bool:
        """Whether only the hardest pixels of an image count."""
        return self.top_k_percent_pixels < 1.0

    def prepare(self, y_true: Any, y_pred: Any) -> tuple[Any, Any]:
        """Labels `[batch, height, width, layers]` and logits of one size."""
        return fitted(y_true, y_pred, use_groundtruth_dimension=self.use_groundtruth_dimension)

    def element_shape(self, y_pred: Any) -> Any:
        """Static shape of the unreduced loss."""
        return y_pred.shape[:1] if self.mines else y_pred.shape[:-1]

    def valid_elements(self, y_true: Any, y_pred: Any) -> Any:
        """Pixels with a layer that is not `ignore_label`; images with such a pixel when pixels are mined."""
        del y_pred
        valid = valid_pixels(y_true, self.ignore_label)
        return valid if valid is None or not self.mines else tf.reduce_any(valid, axis=[1, 2])
