"""Codes of boxes relative to anchors: what a detector learns to predict."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

EPSILON = 1e-8
"""Least height and width of what is encoded, so that logarithms stay finite."""

LARGEST_LOG_RATIO = math.log(1000 / 16)
"""A decoded box is at most 62.5 times as high or wide as its anchor."""


@dataclasses.dataclass(frozen=True)
class BoxCoder:
    """Encodes boxes as offsets and logarithmic sizes relative to anchors, and decodes them.

    With centre `(y, x)` and size `(h, w)` of a box, and the same of its anchor with an index `a`:

        ty = weights[0] * (y - ya) / ha    th = weights[2] * log(h / ha)
        tx = weights[1] * (x - xa) / wa    tw = weights[3] * log(w / wa)

    Attributes:
        weights: Factors of ty, tx, th and tw, above 0.

    References:
        Girshick et al., "Rich feature hierarchies for accurate object detection", 2014, appendix C.
    """

    weights: Sequence[float] = (1.0, 1.0, 1.0, 1.0)

    def __post_init__(self) -> None:
        if len(self.weights) != 4 or not all(weight > 0 for weight in self.weights):
            raise ValueError(f"`weights` must be four numbers above 0, of y, x, h, w. Received: {self.weights}.")

    def encode(self, boxes: Any, anchors: Any) -> tf.Tensor:
        """Return the codes `[..., 4]` (ty, tx, th, tw) of boxes relative to anchors.

        Args:
            boxes: Floats `[..., 4]` yxyx, in the unit of the anchors.
            anchors: Floats `[..., 4]` yxyx.
        """
        y, x, height, width = _centre_and_size(boxes)
        anchor_y, anchor_x, anchor_height, anchor_width = _centre_and_size(anchors)
        codes = (
            (y - anchor_y) / anchor_height,
            (x - anchor_x) / anchor_width,
            tf.math.log(height / anchor_height),
            tf.math.log(width / anchor_width),
        )
        return tf.stack([code * weight for code, weight in zip(codes, self.weights, strict=True)], axis=-1)

    def decode(self, codes: Any, anchors: Any) -> tf.Tensor:
        """Return the boxes `[..., 4]` yxyx that have these codes, at most 62.5 times as large as their anchors.

        Args:
            codes: Floats `[..., 4]` (ty, tx, th, tw).
            anchors: Floats `[..., 4]` yxyx.
        """
        ty, tx, th, tw = (code / weight for code, weight in zip(tf.unstack(codes, axis=-1), self.weights, strict=True))
        anchor_y, anchor_x, anchor_height, anchor_width = _centre_and_size(anchors)
        half_height = tf.exp(tf.minimum(th, LARGEST_LOG_RATIO)) * anchor_height / 2
        half_width = tf.exp(tf.minimum(tw, LARGEST_LOG_RATIO)) * anchor_width / 2
        y, x = ty * anchor_height + anchor_y, tx * anchor_width + anchor_x
        return tf.stack([y - half_height, x - half_width, y + half_height, x + half_width], axis=-1)


def _centre_and_size(boxes: Any) -> tuple[tf.Tensor, ...]:
    ymin, xmin, ymax, xmax = tf.unstack(boxes, axis=-1)
    height, width = tf.maximum(ymax - ymin, EPSILON), tf.maximum(xmax - xmin, EPSILON)
    return (ymin + ymax) / 2, (xmin + xmax) / 2, height, width
