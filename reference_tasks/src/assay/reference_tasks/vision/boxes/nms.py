"""Greedy non-maximum suppression of all images of a batch at once, with outputs of fixed size, on any device."""

import dataclasses
from typing import Any

import tensorflow as tf
from assay.reference_tasks.vision.boxes.operations import areas

SUPPRESSED = float("-inf")
"""The score of what is no candidate, or no longer one."""


@dataclasses.dataclass(frozen=True)
class Selection:
    """Which candidates are kept, the ones with the highest scores first.

    Attributes:
        indices: int32 `[batch, max_output_size]`, places among the candidates; 0 behind the last one kept.
        counts: int32 `[batch]`, how many are kept.
    """

    indices: tf.Tensor
    counts: tf.Tensor

    @property
    def is_kept(self) -> tf.Tensor:
        """Bool `[batch, max_output_size]`, false behind the last one kept."""
        return tf.range(tf.shape(self.indices)[1]) < self.counts[:, tf.newaxis]

    def of(self, values: tf.Tensor) -> tf.Tensor:
        """Return what candidates `[batch, n, ...]` have, of the kept ones: `[batch, max_output_size, ...]`, then 0."""
        taken = tf.gather(values, self.indices, batch_dims=1)
        kept = tf.reshape(self.is_kept, tf.concat([tf.shape(self.indices), [1] * (taken.shape.rank - 2)], axis=0))
        return tf.where(kept, taken, tf.zeros([], taken.dtype))


def non_max_suppression(
    boxes: Any,
    scores: Any,
    *,
    max_output_size: int,
    iou_threshold: float,
    score_threshold: float = SUPPRESSED,
    groups: Any = None,
) -> Selection:
    """Keep the best candidate, drop those that overlap it too much, and so on with what is left.

    Exact: what comes out is what the definition says, in each image alone, and of equal scores the first one goes
    first. One round keeps one candidate in every image; rounds end when no image has one left, so that images with
    few detections cost little. The operations have fixed shapes and compile for every device.

    Args:
        boxes: Floats `[batch, n, 4]` yxyx, `n` at least 1.
        scores: Floats `[batch, n]`; NaN counts as no candidate.
        max_output_size: How many are kept at most in an image.
        iou_threshold: A candidate whose intersection over union with one that is kept is above this is dropped.
        score_threshold: Candidates must be above it.
        groups: None, or integers `[batch, n]`: only candidates of the same group (class) suppress one another.

    References:
        Dalal, Triggs, "Histograms of Oriented Gradients for Human Detection", 2005.
    """
    scores = tf.where(scores > score_threshold, scores, tf.cast(SUPPRESSED, scores.dtype))
    sides = tf.unstack(boxes, axis=-1)
    sizes = areas(boxes)
    batch = tf.shape(scores)[0]

    def has_candidates(number: Any, left: Any, *_: Any) -> Any:
        return tf.logical_and(number < max_output_size, tf.reduce_any(left > SUPPRESSED))

    def keep_one(number: Any, left: Any, kept: Any, counts: Any) -> tuple[Any, ...]:
        best = tf.argmax(left, axis=1, output_type=tf.int32)

        def of_best(values: Any) -> Any:
            return tf.gather(values, best[:, tf.newaxis], batch_dims=1)

        found = of_best(left) > SUPPRESSED
        ymin, xmin, ymax, xmax = ((of_best(side), side) for side in sides)
        height = tf.maximum(tf.minimum(*ymax) - tf.maximum(*ymin), 0)
        shared = height * tf.maximum(tf.minimum(*xmax) - tf.maximum(*xmin), 0)
        # Without a division: shared / union > threshold, also where the union is 0.
        suppressed = shared > iou_threshold * (of_best(sizes) + sizes - shared)
        if groups is not None:
            suppressed = tf.logical_and(suppressed, tf.equal(of_best(groups), groups))
        suppressed = tf.logical_or(suppressed, tf.equal(tf.range(tf.shape(left)[1]), best[:, tf.newaxis]))
        left = tf.where(suppressed, tf.cast(SUPPRESSED, left.dtype), left)
        column = tf.equal(tf.range(max_output_size), number)
        kept = tf.where(tf.logical_and(column, found), best[:, tf.newaxis], kept)
        return number + 1, left, kept, counts + tf.cast(found[:, 0], tf.int32)

    state = (tf.constant(0), scores, tf.zeros([batch, max_output_size], tf.int32), tf.zeros([batch], tf.int32))
    _, _, kept, counts = tf.while_loop(
        has_candidates, keep_one, state, maximum_iterations=max_output_size, parallel_iterations=1
    )
    return Selection(tf.ensure_shape(kept, [scores.shape[0], max_output_size]), counts)
