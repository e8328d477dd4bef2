"""What a confusion matrix says about each class, counted exactly and without a one-hot of the image.

One bincount of `label * (num_classes + 1) + prediction` counts a batch: its bins are the confusion matrix, and its size
does not depend on the data, so that it compiles for a TPU. Kept are its diagonal and its margins, which is all that the
metrics here need, and which adds up over batches, replicas and shards.
"""

from typing import Any

import tensorflow as tf
from assay.keras_metrics._exact_sum import ExactSum, as_number, in_units
from assay.keras_metrics._flavour import FlavourMetric

# Up to so many bins one count of pairs is made; above it (256 classes), three counts with a bin a class.
MOST_JOINT_BINS = 2**16


class ClassCounts(tf.Module):
    """Weighted numbers of elements of each class: labelled so, predicted so, and both.

    Ids that name no class (out of range, such as a prediction of NaN scores) are counted in a place of their own behind
    the last class: an element with such a prediction was labelled and not found, one with such a label was predicted in
    error.

    Args:
        metric: The metric that owns the variables.
        num_classes: Number of classes.
    """

    def __init__(self, metric: FlavourMetric, num_classes: int) -> None:
        super().__init__(name="class_counts")
        self.num_classes = num_classes
        places = (num_classes + 1,)
        self.both = ExactSum(metric, "both", shape=places)
        self.labelled = ExactSum(metric, "labelled", shape=places)
        self.predicted = ExactSum(metric, "predicted", shape=places)

    def add(self, labels: Any, predictions: Any, *, counted: Any = None, weights: Any = None) -> None:
        """Count elements.

        Args:
            labels: int32 or int64, any shape.
            predictions: int32 or int64 of that shape.
            counted: None, or bool of that shape: false leaves the element out.
            weights: None, or float of that shape.
        """
        rows, columns = (self._places(ids) for ids in (labels, predictions))
        if weights is None:
            for total, counts in zip(self._sums(), self._counts(rows, columns, counted), strict=True):
                total.add_counts(counts)
            return
        if counted is not None:
            weights = tf.where(counted, weights, tf.zeros_like(weights))
        for terms, part in zip(in_units(tf.reshape(weights, [-1])), ("units", "remainder"), strict=True):
            for total, sums in zip(self._sums(), self._segment_sums(rows, columns, terms), strict=True):
                getattr(total, part).assign_add(sums)

    def hits(self, dtype: Any = tf.float32) -> Any:
        """How much of each class was found, `[num_classes]`."""
        return self.both.combined(self._classes, dtype)

    def labels(self, dtype: Any = tf.float32) -> Any:
        """How much was labelled as each class, `[num_classes]`."""
        return self.labelled.combined(self._classes, dtype)

    def predictions(self, dtype: Any = tf.float32) -> Any:
        """How much was predicted as each class, `[num_classes]`."""
        return self.predicted.combined(self._classes, dtype)

    def either(self, dtype: Any = tf.float32) -> Any:
        """How much was labelled or predicted as each class, `[num_classes]`."""
        parts = ([tf.convert_to_tensor(getattr(one, part)) for one in self._sums()] for part in ("units", "remainder"))
        units, remainder = (self._classes(labelled + predicted - both) for both, labelled, predicted in parts)
        return as_number(units, remainder, dtype)

    def total(self, dtype: Any = tf.float32) -> Any:
        """How much was counted, with what names no class, a scalar."""
        return self.labelled.combined(tf.reduce_sum, dtype)

    def all_hits(self, dtype: Any = tf.float32) -> Any:
        """How much was found, a scalar."""
        return self.both.combined(lambda part: tf.reduce_sum(self._classes(part)), dtype)

    def _sums(self) -> tuple[ExactSum, ExactSum, ExactSum]:
        return self.both, self.labelled, self.predicted

    def _classes(self, part: Any) -> Any:
        return part[: self.num_classes]

    def _places(self, ids: Any) -> Any:
        """Class ids as places, int32 `[elements]`: what is no class has the place behind the last one."""
        ids = tf.reshape(ids, [-1])
        if ids.dtype == tf.int32:
            # A negative number read as unsigned is a large one: one comparison instead of two.
            unsigned = tf.minimum(tf.bitcast(ids, tf.uint32), tf.constant(self.num_classes, tf.uint32))
            return tf.bitcast(unsigned, tf.int32)
        known = tf.logical_and(ids >= 0, ids < self.num_classes)
        return tf.cast(tf.where(known, ids, self.num_classes * tf.ones_like(ids)), tf.int32)

    def _counts(self, rows: Any, columns: Any, counted: Any) -> tuple[Any, Any, Any]:
        size = self.num_classes + 1
        mask = None if counted is None else tf.reshape(counted, [-1])
        if size * size <= MOST_JOINT_BINS:
            return self._margins(_bincount(rows * size + columns, size * size, mask))
        both = tf.where(tf.equal(rows, columns), rows, size)
        return _bincount(both, size, mask), _bincount(rows, size, mask), _bincount(columns, size, mask)

    def _segment_sums(self, rows: Any, columns: Any, terms: Any) -> tuple[Any, Any, Any]:
        size = self.num_classes + 1
        if size * size <= MOST_JOINT_BINS:
            return self._margins(tf.math.unsorted_segment_sum(terms, rows * size + columns, size * size))
        both = tf.where(tf.equal(rows, columns), rows, -1)  # negative ones are left out
        parts = [tf.math.unsorted_segment_sum(terms, ids, size) for ids in (both, rows, columns)]
        return parts[0], parts[1], parts[2]

    def _margins(self, bins: Any) -> tuple[Any, Any, Any]:
        matrix = tf.reshape(bins, [self.num_classes + 1, self.num_classes + 1])
        return tf.linalg.diag_part(matrix), tf.reduce_sum(matrix, axis=1), tf.reduce_sum(matrix, axis=0)


def _bincount(ids: Any, size: int, counted: Any) -> Any:
    """How often each of the ids 0 to `size` - 1 occurs, int32 `[size]`; a larger id is left out."""
    if counted is not None:
        ids = tf.where(counted, ids, size)
    # `tf.math.bincount` looks for the largest id first, which takes longer than to count.
    return tf.raw_ops.DenseBincount(input=ids, size=size, weights=tf.constant([], tf.int32), binary_output=False)
