"""Turns the outputs of the heads into detections: decoded boxes with a class and a score, a fixed number an image."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import tensorflow as tf
from assay.losses import multi_level_flatten
from assay.reference_tasks.retinanet.anchors import AnchorGenerator
from assay.reference_tasks.retinanet.model.heads import ATTRIBUTES, BOXES, CLASSES
from assay.reference_tasks.vision.boxes import BoxCoder, clip, non_max_suppression

DETECTION_BOXES, DETECTION_SCORES = "detection_boxes", "detection_scores"
DETECTION_CLASSES, NUM_DETECTIONS = "detection_classes", "num_detections"
DETECTION_ATTRIBUTES = "detection_attributes"


@dataclasses.dataclass(frozen=True)
class DetectionGenerator:
    """Decodes boxes, takes the pairs of anchor and class with the highest scores, and suppresses duplicates.

    Attributes:
        anchors: The anchors that the outputs belong to.
        coder: Decodes the boxes.
        num_classes: Classes, with the background, 0, which is never detected.
        pre_nms_top_k: Candidates of an image, over all its anchors and classes (in Model Garden: for each class).
        pre_nms_score_threshold: Candidates must have a score above it.
        nms_iou_threshold: Of two detections that overlap more than this, the better one is kept.
        max_num_detections: Detections of an image at most.
        use_class_agnostic_nms: Whether detections of different classes rule one another out. Each anchor is then a
            candidate once, for its most likely class.

    References:
        Lin, Goyal, Girshick, He, Dollar, "Focal Loss for Dense Object Detection", 2017, section 4 (inference).
    """

    anchors: AnchorGenerator
    coder: BoxCoder
    num_classes: int
    pre_nms_top_k: int = 5000
    pre_nms_score_threshold: float = 0.05
    nms_iou_threshold: float = 0.5
    max_num_detections: int = 100
    use_class_agnostic_nms: bool = False

    def detect(self, outputs: Mapping[str, Any], *, windows: tf.Tensor | None = None) -> dict[str, Any]:
        """Detect objects in a batch of images; compiles for every device.

        Args:
            outputs: What the model returns.
            windows: Height and width of what is image in each input, `[batch, 2]` pixels, without the padding; boxes
                are cut off at it. None: the whole input.

        Returns:
            `detection_boxes` float32 `[batch, max_num_detections, 4]`, yxyx pixels of the model's input;
            `detection_scores` float32, from high to low, and `detection_classes` int32 (1 is the first class),
            `[batch, max_num_detections]`; `num_detections` int32 `[batch]`: behind so many there are zeros. With
            attributes, `detection_attributes` by name `[batch, max_num_detections, size]`, probabilities of those that
            are classified.
        """
        logits = tf.cast(multi_level_flatten(outputs[CLASSES], self.num_classes)[..., 1:], tf.float32)
        candidates, classes, scores = self._candidates(logits)
        codes = tf.gather(tf.cast(multi_level_flatten(outputs[BOXES], 4), tf.float32), candidates, batch_dims=1)
        boxes = self.coder.decode(codes, tf.gather(tf.constant(self.anchors.flat), candidates))
        size = self.anchors.image_size if windows is None else windows[:, tf.newaxis]
        boxes = clip(boxes, tf.cast(size, tf.float32))
        selection = non_max_suppression(
            boxes,
            scores,
            max_output_size=self.max_num_detections,
            iou_threshold=self.nms_iou_threshold,
            score_threshold=self.pre_nms_score_threshold,
            groups=None if self.use_class_agnostic_nms else classes,
        )
        detections = {
            DETECTION_BOXES: selection.of(boxes),
            DETECTION_SCORES: selection.of(scores),
            DETECTION_CLASSES: selection.of(classes + 1),
            NUM_DETECTIONS: selection.counts,
        }
        if ATTRIBUTES in outputs:
            detections[DETECTION_ATTRIBUTES] = {
                name: selection.of(tf.gather(self._of_anchors(by_level), candidates, batch_dims=1))
                for name, by_level in outputs[ATTRIBUTES].items()
            }
        return detections

    def _candidates(self, logits: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Return anchor, class (0 is the first) and score of each candidate, `[batch, candidates]`, best first."""
        anchors, classes = logits.shape[1:]
        scores = tf.sigmoid(logits)
        if self.use_class_agnostic_nms:
            best, places = tf.math.top_k(tf.reduce_max(scores, axis=-1), min(self.pre_nms_top_k, anchors))
            of_anchors = tf.argmax(scores, axis=-1, output_type=tf.int32)
            return places, tf.gather(of_anchors, places, batch_dims=1), best
        flat = tf.reshape(scores, [-1, anchors * classes])
        best, places = tf.math.top_k(flat, min(self.pre_nms_top_k, anchors * classes))
        return places // classes, places % classes, best

    def _of_anchors(self, by_level: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Return an attribute as `[batch, anchors, size]`."""
        depth = next(iter(by_level.values())).shape[-1] // self.anchors.anchors_per_location
        return tf.cast(multi_level_flatten(by_level, depth), tf.float32)
