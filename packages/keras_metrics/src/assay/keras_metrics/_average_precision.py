"""Average precision and recall of classes from what became of each detection.

With the detections of a class in the order of their scores, `tp` and `fp` the weights of right and wrong ones so far
(ignored ones are neither) and `n` that of the objects to be found, `recall = tp / n` and `precision = tp / (tp + fp)`;
the interpolated precision at a recall is the highest precision at that recall or a higher one.

Weights are whole numbers, so that sums are exact and a recall is compared with a threshold without rounding.
"""

import functools
import struct
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import tensorflow as tf
from assay.keras_metrics._coco_matching import WORD_BITS

COCO, VOC2010 = "coco", "voc2010"
ALGORITHMS = (COCO, VOC2010)
UNDEFINED = -1.0
RECALLS = 100
# COCO compares in float64 with the multiples of 0.01, some of which are a little above the hundredth that they stand
# for: a recall of exactly that hundredth does not reach these.
ABOVE_THEIR_HUNDREDTH = tuple(index * (1 / RECALLS) > index / RECALLS for index in range(RECALLS + 1))

SCORES, PLACES, IMAGES, WEIGHTS = "detection_scores", "detection_places", "detection_images", "detection_weights"
HITS, IGNORED = "detection_hits", "detection_ignored"
RANK_BITS = 16
SCORE_BITS = 32


class Curves(NamedTuple):
    """What follows from all detections, for A area ranges, T IoU thresholds and K classes; -1 without an object.

    Attributes:
        precision: By algorithm, float `[A, T, K]`.
        recall: float `[limits, A, T, K]`: with the best so many detections of an image and class.
        precision_above: float `[confidences, T, K]`: precision of the detections with at least a confidence.
        recall_above: float `[confidences, T, K]`: their recall.
    """

    precision: dict[str, Any]
    recall: Any
    precision_above: Any
    recall_above: Any


class Axes(NamedTuple):
    """What the axes of `Curves` are; all of it known when a metric is made.

    Attributes:
        num_classes: K.
        num_areas: A.
        num_thresholds: T.
        limits: How many detections of an image and class count for recall.
        confidences: As `score_number` numbers them.
        algorithms: Some of `ALGORITHMS`.
    """

    num_classes: int
    num_areas: int
    num_thresholds: int
    limits: tuple[int, ...]
    confidences: tuple[int, ...]
    algorithms: tuple[str, ...]


def score_number(scores: Any) -> Any:
    """Numbers from 0 to 2^32 - 1 in the order of float32 scores, int64; equal scores have the same one."""
    bits = tf.bitcast(tf.where(tf.equal(scores, 0), tf.zeros_like(scores), scores), tf.int32)
    ordered = tf.where(bits >= 0, bits, tf.bitwise.bitwise_xor(bits, 0x7FFFFFFF))
    return tf.cast(ordered, tf.int64) + 2 ** (SCORE_BITS - 1)


def number_of_score(score: float) -> int:
    """The same of one Python number, rounded to float32."""
    bits = struct.unpack("<i", struct.pack("<f", score + 0.0))[0]
    return (bits if bits >= 0 else bits ^ 0x7FFFFFFF) + 2 ** (SCORE_BITS - 1)


def place_number(classes: Any, ranks: Any) -> Any:
    """A positive number of a class and a rank, int64."""
    return (tf.cast(classes, tf.int64) + 1) * 2**RANK_BITS + tf.cast(ranks, tf.int64)


def curves(rows: Mapping[str, Any], objects: Any, axes: Axes, *, static: bool, dtype: Any) -> Curves:
    """Compute precision and recall.

    Args:
        rows: Columns int64 `[N]`: `SCORES` (as `score_number` numbers them), `PLACES` (`place_number`; 0 for no
            detection), `IMAGES`, `WEIGHTS`, and, numbered, `HITS` and `IGNORED`.
        objects: int64 `[A, K]`: the weight of the objects to be found, in the unit of the weights.
        axes: What is asked for.
        static: Whether shapes must not depend on the data: for XLA.
        dtype: float32 or float64.
    """
    function = _compiled(axes, tuple(sorted(rows)), static, tf.as_dtype(dtype))
    return function(*(rows[name] for name in sorted(rows)), objects)


@functools.lru_cache(maxsize=64)
def _compiled(axes: Axes, names: Sequence[str], static: bool, dtype: Any) -> Any:
    """A graph for a set of axes, shared by all metrics that have them; tracing takes longer than running."""

    def function(*arguments: Any) -> Curves:
        rows = dict(zip(names, arguments[:-1], strict=True))
        if not static:
            rows = {name: tf.boolean_mask(column, rows[PLACES] > 0) for name, column in rows.items()}
        return _Curves(_sorted(rows), arguments[-1], axes, dtype).all()

    column = tf.TensorSpec([None], tf.int64)
    objects = tf.TensorSpec([axes.num_areas, axes.num_classes], tf.int64)
    return tf.function(function, input_signature=[*[column] * len(names), objects], autograph=False)


def _sorted(rows: Mapping[str, Any]) -> dict[str, Any]:
    """Rows by class, falling score, image and rank."""
    ranks = tf.bitwise.bitwise_and(rows[PLACES], 2**RANK_BITS - 1)
    classes = tf.bitwise.right_shift(rows[PLACES], RANK_BITS)
    by_image = tf.argsort(rows[IMAGES] * 2**RANK_BITS + ranks, stable=True)
    key = classes * 2**SCORE_BITS + (2**SCORE_BITS - 1 - rows[SCORES])
    order = tf.gather(by_image, tf.argsort(tf.gather(key, by_image), stable=True))
    return {name: tf.gather(column, order) for name, column in rows.items()}


class _Curves:
    """The steps on sorted rows; rows of class -1 are none."""

    def __init__(self, rows: Mapping[str, Any], objects: Any, axes: Axes, dtype: Any) -> None:
        self._rows, self._objects, self._axes, self._dtype = rows, objects, axes, dtype
        self._classes = tf.cast(tf.bitwise.right_shift(rows[PLACES], RANK_BITS), tf.int32) - 1
        self._known = tf.maximum(self._classes, 0)
        self._ranks = tf.bitwise.bitwise_and(rows[PLACES], 2**RANK_BITS - 1)
        self._weights = tf.where(self._classes >= 0, rows[WEIGHTS], 0)
        # What is equal in score, image and rank is one step of the curve: without ids of images, order means nothing.
        differs = [tf.not_equal(rows[name][1:], rows[name][:-1]) for name in (SCORES, PLACES, IMAGES)]
        follows = tf.reduce_any(tf.stack(differs), axis=0)
        self._last = tf.concat([follows, tf.ones_like(self._classes[:1], tf.bool)], axis=0)

    def all(self) -> Curves:
        axes, combinations = self._axes, self._axes.num_areas * self._axes.num_thresholds
        spec = {name: tf.TensorSpec([axes.num_classes], self._dtype) for name in axes.algorithms}
        of_limits = tf.TensorSpec([len(axes.limits), axes.num_classes], self._dtype)
        above = tf.TensorSpec([len(axes.confidences), axes.num_classes], self._dtype)
        precision, recall, precision_above, recall_above = tf.map_fn(
            self._combination,
            tf.range(combinations),
            fn_output_signature=(spec, of_limits, above, above),
            parallel_iterations=1,
        )
        shape = [axes.num_areas, axes.num_thresholds]
        all_areas = (tf.transpose(part[: axes.num_thresholds], [1, 0, 2]) for part in (precision_above, recall_above))
        return Curves(
            {name: tf.reshape(values, [*shape, axes.num_classes]) for name, values in precision.items()},
            tf.reshape(tf.transpose(recall, [1, 0, 2]), [len(axes.limits), *shape, axes.num_classes]),
            *all_areas,
        )

    def _combination(self, number: Any) -> tuple[Any, ...]:
        """An area range and an IoU threshold: precision by algorithm `[K]`, and recall `[limits, K]`."""
        total = self._objects[number // self._axes.num_thresholds]
        right, ignored = self._flags(HITS, number), self._flags(IGNORED, number)
        hits = tf.where(right, self._weights, 0)
        misses = tf.where(tf.logical_or(right, ignored), tf.zeros_like(hits), self._weights)
        found, wrong = self._running(hits), self._running(misses)
        precision = tf.where(self._last, self._share(found, found + wrong), tf.zeros([], self._dtype))
        average = {COCO: self._at_recalls, VOC2010: self._area}
        values = {
            name: self._defined(average[name](precision, found, hits, total), total) for name in self._axes.algorithms
        }
        within = [tf.where(self._ranks < limit, hits, 0) for limit in self._axes.limits]
        sure = [self._rows[SCORES] >= confidence for confidence in self._axes.confidences]
        hits_above = [self._by_class(tf.where(one, hits, 0)) for one in sure]
        all_above = [self._by_class(tf.where(one, hits + misses, 0)) for one in sure]
        above = [self._share(mine, both) for mine, both in zip(hits_above, all_above, strict=True)]
        recalls = [[self._by_class(one) for one in within], hits_above]
        recall, recall_above = (
            self._stacked([self._defined(self._share(one, total), total) for one in parts]) for parts in recalls
        )
        return values, recall, self._stacked([self._defined(one, total) for one in above]), recall_above

    def _at_recalls(self, precision: Any, found: Any, hits: Any, total: Any) -> Any:
        """Mean of the interpolated precision at the recalls 0, 0.01, ..., 1."""
        hundredths, objects = found * RECALLS, tf.maximum(tf.gather(total, self._known), 1)
        reached = tf.minimum(hundredths // objects, RECALLS)
        exact = tf.equal(reached * objects, hundredths)
        reached = tf.cast(reached, tf.int32)
        short = tf.logical_and(exact, tf.gather(tf.constant(ABOVE_THEIR_HUNDREDTH), reached))
        reached -= tf.cast(short, tf.int32)
        size = RECALLS + 1
        places = tf.where(self._classes >= 0, self._known * size + reached, -1)
        best = tf.math.unsorted_segment_max(precision, places, self._axes.num_classes * size)
        best = tf.maximum(tf.reshape(best, [self._axes.num_classes, size]), 0)
        step = 1
        while step < size:
            best = tf.maximum(best, tf.pad(best[:, step:], [[0, 0], [0, step]]))
            step *= 2
        return tf.reduce_mean(best, axis=1)

    def _area(self, precision: Any, found: Any, hits: Any, total: Any) -> Any:
        """Area under the interpolated precision over all recalls."""
        last = tf.size(self._classes) - 1

        def body(step: Any, best: Any) -> tuple[Any, Any]:
            other = tf.minimum(tf.range(last + 1) + step, last)
            same = tf.equal(tf.gather(self._classes, other), self._classes)
            return 2 * step, tf.maximum(best, tf.where(same, tf.gather(best, other), 0))

        _, best = tf.while_loop(lambda step, _: step <= last, body, (tf.constant(1), precision), parallel_iterations=1)
        objects = tf.maximum(tf.gather(total, self._known), 1)
        parts = best * self._share(hits, objects)
        return tf.math.unsorted_segment_sum(parts, self._classes, self._axes.num_classes)

    def _flags(self, column: str, number: Any) -> Any:
        """The bits of a combination, bool `[N]`."""
        count = sum(name.startswith(f"{column}_") for name in self._rows)
        words = tf.stack([self._rows[f"{column}_{word}"] for word in range(count)])[number // WORD_BITS]
        shifted = tf.bitwise.right_shift(words, tf.cast(number % WORD_BITS, tf.int64))
        return tf.equal(tf.bitwise.bitwise_and(shifted, 1), 1)

    def _running(self, weights: Any) -> Any:
        """Sums up to each row within its class, int64 `[N]`."""
        before = tf.cumsum(self._by_class(weights), exclusive=True)
        # Rows of no class are first and have no weight.
        return tf.cumsum(weights) - tf.gather(before, self._known)

    def _by_class(self, weights: Any) -> Any:
        return tf.math.unsorted_segment_sum(weights, self._classes, self._axes.num_classes)

    def _share(self, part: Any, whole: Any) -> Any:
        return tf.math.divide_no_nan(tf.cast(part, self._dtype), tf.cast(whole, self._dtype))

    def _defined(self, values: Any, total: Any) -> Any:
        return tf.where(total > 0, values, tf.constant(UNDEFINED, self._dtype))

    def _stacked(self, parts: Sequence[Any]) -> Any:
        """`[len(parts), K]`, also of none."""
        return tf.stack(parts) if parts else tf.zeros([0, self._axes.num_classes], self._dtype)
