"""Targets of a detector: what each anchor should say, given the objects of an image."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from assay.reference_tasks.retinanet.anchors import AnchorGenerator
from assay.reference_tasks.retinanet.matcher import IGNORED, Matcher
from assay.reference_tasks.vision.boxes import BoxCoder, pairwise_coverage, pairwise_iou

NO_CLASS = -1
"""The class target of an anchor that stands for no object."""


@dataclasses.dataclass(frozen=True)
class AnchorLabeler:
    """Assigns objects to anchors, and makes the targets of the losses.

    Attributes:
        anchors: The anchors.
        matcher: Decides which object an anchor stands for.
        coder: Encodes the boxes of objects relative to anchors.
        crowd_coverage: Anchors that stand for no object, and of which at least this share lies in the region of a
            crowd, are left out of the class loss: what they show is neither one object nor background. None: they are
            background, as where crowds are not annotated.
    """

    anchors: AnchorGenerator
    matcher: Matcher = dataclasses.field(default_factory=Matcher)
    coder: BoxCoder = dataclasses.field(default_factory=BoxCoder)
    crowd_coverage: float | None = 0.5

    def label(
        self,
        boxes: tf.Tensor,
        classes: tf.Tensor,
        *,
        crowds: tf.Tensor | None = None,
        attributes: Mapping[str, tf.Tensor] | None = None,
    ) -> dict[str, Any]:
        """Make the targets of one image.

        Args:
            boxes: float32 `[objects, 4]`, yxyx pixels of the model's input, none of them empty.
            classes: Integers `[objects]`; 0 is background.
            crowds: float32 `[crowds, 4]`, regions of crowds likewise, which are no objects.
            attributes: Name to float32 `[objects, size]`.

        Returns:
            A dict of `cls_targets` (int32, -1 without an object), `box_targets`, `anchor_boxes` and, when there are
            attributes, `attribute_targets`: by level `[height, width, anchors_per_location * depth]`; and of float32
            `[anchors]`: `cls_weights`, 1 but for ignored anchors, and `box_weights`, 1 for positive anchors. Targets
            are 0 where there is no object.
        """
        anchors = tf.constant(self.anchors.flat)
        matches = self.matcher.match(pairwise_iou(boxes, anchors))
        positive = matches >= 0
        ignored = tf.equal(matches, IGNORED)
        if crowds is not None and self.crowd_coverage is not None:
            covered = tf.reduce_any(pairwise_coverage(crowds, anchors) >= self.crowd_coverage, axis=0)
            ignored = tf.logical_or(ignored, tf.logical_and(covered, tf.logical_not(positive)))
        rows = tf.maximum(matches, 0)
        targets: dict[str, Any] = {
            "cls_targets": self._by_level(_of_objects(classes, rows, positive, otherwise=NO_CLASS, dtype=tf.int32)),
            "box_targets": self._by_level(self._codes(boxes, rows, positive, anchors)),
            "anchor_boxes": {level: tf.constant(boxes) for level, boxes in self.anchors.by_level.items()},
            "cls_weights": tf.where(ignored, 0.0, 1.0),
            "box_weights": tf.where(positive, 1.0, 0.0),
        }
        if attributes:
            targets["attribute_targets"] = {
                name: self._by_level(_of_objects(values, rows, positive, otherwise=0.0, dtype=tf.float32))
                for name, values in attributes.items()
            }
        return targets

    def _codes(self, boxes: tf.Tensor, rows: tf.Tensor, positive: tf.Tensor, anchors: tf.Tensor) -> tf.Tensor:
        codes = self.coder.encode(_of_objects(boxes, rows, positive, otherwise=0.0, dtype=tf.float32), anchors)
        return tf.where(positive[:, tf.newaxis], codes, 0.0)

    def _by_level(self, flat: tf.Tensor) -> dict[str, tf.Tensor]:
        """Cut `[anchors, ...]` into `[height, width, anchors_per_location * depth]` by level."""
        shapes = [boxes.shape[:2] for boxes in self.anchors.by_level.values()]
        counts = [int(np.prod(shape)) * self.anchors.anchors_per_location for shape in shapes]
        parts = tf.split(flat, counts)
        depth = self.anchors.anchors_per_location * int(np.prod(flat.shape[1:], dtype=int))
        return {
            level: tf.reshape(part, [*shape, depth])
            for level, shape, part in zip(self.anchors.by_level, shapes, parts, strict=True)
        }


def _of_objects(
    values: tf.Tensor, rows: tf.Tensor, positive: tf.Tensor, *, otherwise: float, dtype: tf.DType
) -> tf.Tensor:
    """Return what the object of each anchor has, `otherwise` where it has none (there may be no object at all)."""
    values = tf.cast(values, dtype)
    none = tf.zeros([1, *values.shape[1:]], dtype)
    taken = tf.gather(tf.concat([values, none], axis=0), rows)
    kept = tf.reshape(positive, [-1, *([1] * (taken.shape.rank - 1))])
    return tf.where(kept, taken, tf.cast(otherwise, dtype))
