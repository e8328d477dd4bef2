"""Intersection over union of the boundaries of the classes."""

import math
from collections.abc import Sequence
from typing import Any

import tensorflow as tf
from assay.keras_metrics._class_mean import EXCLUDED
from assay.keras_metrics._flavour import serialisable
from assay.keras_metrics._labels import NO_CLASS
from assay.keras_metrics._mean_iou import MeanIoU

DEFAULT_DILATION_RATIO = 0.02


@serialisable
class BoundaryIoU(MeanIoU):
    """Mean over the classes of the intersection over union of their inner boundaries.

        boundary(mask) = the pixels of the mask within d pixels (of the larger of dy and dx) of a pixel outside of it
        iou[c] = |boundary(G[c]) and boundary(P[c])| / |boundary(G[c]) or boundary(P[c])|, over all images
        result = mean of iou[c] over the classes with a boundary

    which is mask minus its erosion by d times a 3 x 3 square, as published. What is beyond the frame belongs to no
    mask, so that a mask ends at the frame; pixels that do not count (`ignore_label`, `valid_masks`, padding by
    `image_info`) belong to none either, in labels and predictions alike. Padding therefore changes nothing but d, where
    that follows from the size. Weights scale pixels and move no boundary.

    NaN scores, labels out of range and absent classes count as in `MeanIoU`. Nothing counted yet: 0.

    Args:
        num_classes: Number of classes, at least 2.
        name: Name of the metric.
        distance: The distance d in pixels of the labels, at least 1; None: `dilation_ratio` decides.
        dilation_ratio: The distance as a share of the diagonal of the labels, rounded, at least 1 pixel. Their height
            and width must be static then.
        ignore_label: Class id of pixels to leave out, for example 255.
        absent_class: `excluded`, the mean is over the classes with a boundary; `zero` or `one`, they count so.
        target_class_ids: Classes to average; None for all.
        rescale_predictions: Whether predictions are brought back to the original image; see `update_state`.
        input_size: `(height, width)` of the model's input with padding; None when row 1 of `image_info` is it.
        dtype: Dtype of the result; None means float32.

    Raises:
        ValueError: If an option is out of range; on an update, if the labels are no `[batch, height, width]`.

    References:
        Cheng, Girshick, Dollár, Berg, Kirillov, "Boundary IoU: Improving Object-Centric Image Segmentation
        Evaluation", 2021 (ratio 0.02).
    """

    def __init__(
        self,
        num_classes: int,
        name: str = "boundary_iou",
        *,
        distance: int | None = None,
        dilation_ratio: float = DEFAULT_DILATION_RATIO,
        ignore_label: int | None = None,
        absent_class: str = EXCLUDED,
        target_class_ids: Sequence[int] | None = None,
        rescale_predictions: bool = False,
        input_size: Sequence[int] | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            num_classes, name, ignore_label=ignore_label, absent_class=absent_class, target_class_ids=target_class_ids,
            rescale_predictions=rescale_predictions, input_size=input_size, dtype=dtype,
        )  # fmt: skip
        if distance is not None and (isinstance(distance, bool) or int(distance) != distance or distance < 1):
            raise ValueError(f"`distance` must be an integer of at least 1. Received: {distance!r}.")
        if not 0 < dilation_ratio < 1:
            raise ValueError(f"`dilation_ratio` must be between 0 and 1. Received: {dilation_ratio!r}.")
        self.distance = None if distance is None else int(distance)
        self.dilation_ratio = float(dilation_ratio)

    def get_config(self) -> dict[str, Any]:
        """Every constructor argument, as JSON values."""
        return {**super().get_config(), "distance": self.distance, "dilation_ratio": self.dilation_ratio}

    def _add(self, labels: Any, ids: Any, counted: Any, weights: Any) -> None:
        if labels.shape.rank != 3:
            raise ValueError(f"{self.name!r} needs label maps [batch, height, width]. Received shape {labels.shape}.")
        distance = self._distance(labels.shape)
        sides = []
        for side in (labels, ids):
            known = tf.logical_and(side >= 0, side < self.num_classes)
            side = tf.cast(tf.where(known, side, self.num_classes * tf.ones_like(side)), tf.int32)
            visible = side if counted is None else tf.where(counted, side, NO_CLASS)
            sides.append(tf.where(_on_boundary(visible, distance), side, NO_CLASS))
        super()._add(sides[0], sides[1], counted, weights)

    def _distance(self, shape: Any) -> int:
        if self.distance is not None:
            return self.distance
        if not shape[1:].is_fully_defined():
            raise ValueError(
                f"{self.name!r} takes its distance from the size of the labels, which is unknown: {shape}. Set their "
                "shape (`tf.ensure_shape`), or `distance`."
            )
        return max(1, round(self.dilation_ratio * math.hypot(*shape[1:])))


def _on_boundary(ids: Any, distance: int) -> Any:
    """Whether another id, or the frame, is within a distance of each pixel of `[batch, height, width]`.

    All classes at once: a pixel is inside of its mask when the largest and the smallest id around it are the same.
    """
    ids = tf.cast(ids, tf.float32)[..., tf.newaxis]
    padded = tf.pad(ids, [[0, 0], [distance, distance], [distance, distance], [0, 0]], constant_values=NO_CLASS)
    window = 2 * distance + 1

    def largest(maps: Any) -> Any:
        for size in ((window, 1), (1, window)):
            maps = tf.nn.max_pool2d(maps, size, strides=1, padding="VALID")
        return maps[..., 0]

    return tf.not_equal(largest(padded), -largest(-padded))
