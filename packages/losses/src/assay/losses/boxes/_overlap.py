"""Overlap losses of boxes as plain functions, all on `ymin, xmin, ymax, xmax`.

```python
from assay.losses import giou_loss

giou_loss([[0.0, 0.0, 2.0, 2.0]], [[0.0, 1.0, 2.0, 3.0]])  # [0.6667], as IoU 1/3 and the hull is filled
```

Shared by all: boxes are `[batch, ..., 4]` in any unit (all but the tiniest sizes: the losses do not depend on the
scale), continuous, without `+ 1`. A box whose maximum is below its minimum has size 0 in that direction. Values are
`[batch, ...]` float32 (float64 for float64 predictions), and 0 for equal boxes, also for equal empty ones. Gradients
are finite for every finite box. `ValueError` is raised when shapes do not fit.
"""

import math
from typing import Any

import tensorflow as tf
from assay.losses.boxes._coordinates import aligned_boxes


def iou_loss(targets: Any, predictions: Any) -> Any:
    """`1 - IoU` of each pair of boxes; flat where they are disjoint.

    Args:
        targets: `[batch, ..., 4]` yxyx. They receive no gradient.
        predictions: `[batch, ..., 4]` yxyx, float.

    Returns:
        `[batch, ...]`, in [0, 1].

    References:
        Yu et al., "UnitBox: An Advanced Object Detection Network", 2016 (which takes the logarithm instead).
    """
    targets, predictions = aligned_boxes(targets, predictions)
    return 1.0 - _iou(targets, predictions)[0]


def giou_loss(targets: Any, predictions: Any) -> Any:
    """`1 - IoU + (hull - union) / hull`, with `hull` the area of the smallest box around both.

    Args:
        targets: `[batch, ..., 4]` yxyx. They receive no gradient.
        predictions: `[batch, ..., 4]` yxyx, float.

    Returns:
        `[batch, ...]`, in [0, 2].

    References:
        Rezatofighi et al., "Generalized Intersection over Union", 2019.
    """
    targets, predictions = aligned_boxes(targets, predictions)
    iou, union = _iou(targets, predictions)
    height, width = _hull(targets, predictions)
    hull = height * width
    return 1.0 - iou + tf.math.divide_no_nan(tf.nn.relu(hull - union), hull)


def diou_loss(targets: Any, predictions: Any) -> Any:
    """`1 - IoU + distance**2 / diagonal**2`: of the centres, and of the smallest box around both.

    Args:
        targets: `[batch, ..., 4]` yxyx. They receive no gradient.
        predictions: `[batch, ..., 4]` yxyx, float.

    Returns:
        `[batch, ...]`, in [0, 2].

    References:
        Zheng et al., "Distance-IoU Loss", 2020.
    """
    targets, predictions = aligned_boxes(targets, predictions)
    return _diou(targets, predictions)[0]


def ciou_loss(targets: Any, predictions: Any) -> Any:
    """The loss of `diou_loss` plus `a * v`, where `v` compares the angles of the diagonals.

        v = 4 / pi**2 * (atan(width / height of the target) - atan(width / height of the prediction)) ** 2
        a = v / (1 - IoU + v), a constant to the gradient, as published

    Args:
        targets: `[batch, ..., 4]` yxyx. They receive no gradient.
        predictions: `[batch, ..., 4]` yxyx, float.

    Returns:
        `[batch, ...]`, in [0, 3].

    References:
        Zheng et al., "Distance-IoU Loss", 2020.
    """
    targets, predictions = aligned_boxes(targets, predictions)
    diou, iou = _diou(targets, predictions)
    shape = 4.0 / math.pi**2 * tf.square(_diagonal_angle(targets) - _diagonal_angle(predictions))
    weight = tf.math.divide_no_nan(shape, 1.0 - iou + shape)
    return diou + tf.stop_gradient(weight) * shape


def _sizes(boxes: Any) -> tuple[Any, Any]:
    sizes = tf.nn.relu(boxes[..., 2:] - boxes[..., :2])
    return sizes[..., 0], sizes[..., 1]


def _iou(targets: Any, predictions: Any) -> tuple[Any, Any]:
    """Intersection over union, and the union; two equal boxes of no area overlap fully."""
    heights, widths = zip(_sizes(targets), _sizes(predictions), strict=True)
    overlap = tf.nn.relu(
        tf.minimum(targets[..., 2:], predictions[..., 2:]) - tf.maximum(targets[..., :2], predictions[..., :2])
    )
    intersection = overlap[..., 0] * overlap[..., 1]
    union = heights[0] * widths[0] + heights[1] * widths[1] - intersection
    equal = tf.reduce_all(tf.equal(targets, predictions), axis=-1)
    nothing = tf.logical_and(equal, union <= 0.0)
    iou = tf.minimum(tf.math.divide_no_nan(intersection, union), 1.0)
    return tf.where(nothing, tf.ones_like(iou), iou), union


def _hull(targets: Any, predictions: Any) -> tuple[Any, Any]:
    """Height and width of the smallest box around both."""
    sizes = tf.maximum(_bottom_right(targets), _bottom_right(predictions)) - tf.minimum(
        targets[..., :2], predictions[..., :2]
    )
    return sizes[..., 0], sizes[..., 1]


def _bottom_right(boxes: Any) -> Any:
    return tf.maximum(boxes[..., 2:], boxes[..., :2])


def _diou(targets: Any, predictions: Any) -> tuple[Any, Any]:
    iou, _ = _iou(targets, predictions)
    height, width = _hull(targets, predictions)
    between = 0.5 * (targets[..., :2] + targets[..., 2:] - predictions[..., :2] - predictions[..., 2:])
    distance = tf.reduce_sum(tf.square(between), axis=-1)
    return 1.0 - iou + tf.math.divide_no_nan(distance, tf.square(height) + tf.square(width)), iou


def _diagonal_angle(boxes: Any) -> Any:
    """`atan(width / height)`, 0 for a box of no size, with a gradient that is finite where the height is 0."""
    height, width = _sizes(boxes)
    empty = tf.logical_and(height <= 0.0, width <= 0.0)
    return tf.math.atan2(width, tf.where(empty, tf.ones_like(height), height))
