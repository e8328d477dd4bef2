"""Loss of the objectness of anchors, called with the outputs first, as in Model Garden.

```python
import tensorflow as tf
from assay.losses import RpnScoreLoss

scores, labels = {"3": tf.zeros([2, 4, 4, 3])}, {"3": tf.ones([2, 4, 4, 3], tf.int32)}
RpnScoreLoss(rpn_batch_size_per_im=256)(scores, labels)
```
"""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf
from assay.losses._flavour import serialisable
from assay.losses._function_loss import FunctionLoss
from assay.losses._options import whole
from assay.losses._reduction import SUM_OVER_BATCH_SIZE, compute_dtype, hide
from assay.losses._replicas import GLOBAL
from assay.losses.detection._checks import check_levels, check_same_shape
from assay.losses.detection._levels import multi_level_flatten


def rpn_score_loss(
    score_outputs: Mapping[Any, Any], labels: Mapping[Any, Any], *, rpn_batch_size_per_im: int = 256
) -> Any:
    """Sigmoid cross-entropy of the objectness of the sampled anchors, one value per image.

    With logit `z` and label `y` of an anchor:

        value = sum over the sampled anchors of all levels of (log(1 + exp(z)) - y z) / rpn_batch_size_per_im

    Args:
        score_outputs: Logits by level, each `[batch, height, width, anchors]` float. Computed in float32, in float64
            when they are float64.
        labels: By level, of the same shapes: 1 for positive and 0 for negative anchors, anything else (-1) for those
            that were not sampled. They receive no gradient.
        rpn_batch_size_per_im: How many anchors are sampled for each image, at least 1.

    Returns:
        `[batch]` float32 (or float64).

    Raises:
        ValueError: If levels or shapes do not fit, or the option is out of range.

    References:
        Ren et al., "Faster R-CNN", 2015. He et al., "Mask R-CNN", 2017.
    """
    _check_sampled(rpn_batch_size_per_im)
    return _values(*_rows(labels, score_outputs), rpn_batch_size_per_im=rpn_batch_size_per_im)


def _rows(labels: Mapping[Any, Any], scores: Mapping[Any, Any]) -> tuple[Any, Any]:
    """All levels as one row of anchors, labels first."""
    check_levels("RpnScoreLoss", labels, scores)
    labels = {level: labels[level] for level in scores}
    rows = multi_level_flatten(labels), multi_level_flatten(scores)
    if not rows[1].dtype.is_floating:
        raise ValueError(
            f"`score_outputs` must be logits, which are floats. Received {rows[1].dtype.name}. A likely cause is the "
            "order of the arguments: the outputs come first."
        )
    check_same_shape("RpnScoreLoss", *rows)
    return rows


def _values(labels: Any, scores: Any, *, rpn_batch_size_per_im: int) -> Any:
    dtype = compute_dtype(scores)
    positive = tf.equal(labels, tf.ones([], labels.dtype))
    sampled = tf.logical_or(positive, tf.equal(labels, tf.zeros([], labels.dtype)))
    logits = hide(tf.cast(scores, dtype), sampled)
    values = tf.nn.sigmoid_cross_entropy_with_logits(labels=tf.cast(positive, dtype), logits=logits)
    return tf.reduce_sum(hide(values, sampled), axis=-1) / float(rpn_batch_size_per_im)


def _check_sampled(rpn_batch_size_per_im: int) -> None:
    if whole(rpn_batch_size_per_im, option="rpn_batch_size_per_im") < 1:
        raise ValueError(f"`rpn_batch_size_per_im` must be at least 1. Received: {rpn_batch_size_per_im!r}.")


@serialisable
class RpnScoreLoss(FunctionLoss):
    """Sigmoid cross-entropy of the objectness of the sampled anchors; see `rpn_score_loss` for the formula.

    Called as `loss(score_outputs, labels)`, both by level: logits `[batch, height, width, anchors]`, and 1 for
    positive, 0 for negative anchors, anything else (-1) for those that were not sampled. The unreduced loss has shape
    `[batch]`. Normaliser: the number of images; how many anchors an image has is a constant.

    Args:
        rpn_batch_size_per_im: How many anchors are sampled for each image.
        reduction: "sum_over_batch_size", "mean_with_sample_weight", "sum" or "none".
        normalisation: "global" adds weights up over all replicas, "replica" on each alone.
        name: Name of the loss.

    Raises:
        ValueError: If an option is out of range; on a call, if levels or shapes do not fit.

    References:
        Ren et al., "Faster R-CNN", 2015. He et al., "Mask R-CNN", 2017.
    """

    function = staticmethod(_values)

    def __init__(
        self,
        rpn_batch_size_per_im: int = 256,
        *,
        reduction: str | None = SUM_OVER_BATCH_SIZE,
        normalisation: str = GLOBAL,
        name: str = "rpn_score_loss",
    ) -> None:
        _check_sampled(rpn_batch_size_per_im)
        super().__init__(
            rpn_batch_size_per_im=int(rpn_batch_size_per_im),
            reduction=reduction,
            normalisation=normalisation,
            name=name,
        )

    def __call__(self, score_outputs: Mapping[Any, Any], labels: Mapping[Any, Any], sample_weight: Any = None) -> Any:
        """Compute the loss; weights are one per image."""
        return super().__call__(labels, score_outputs, sample_weight)

    def prepare(self, y_true: Any, y_pred: Any) -> tuple[Any, Any]:
        """All levels as one row of anchors."""
        return _rows(y_true, y_pred)

    def element_shape(self, y_pred: Any) -> Any:
        """Static shape `[batch]` of the unreduced loss."""
        return y_pred.shape[:1]
