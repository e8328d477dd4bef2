"""Accuracy of classifiers: the share of examples whose class is among the k best scores.

```python
from assay.keras_metrics import TopKAccuracy

metric = TopKAccuracy(k=2)
metric.update_state([2, 0], [[0.1, 0.2, 0.7], [0.2, 0.3, 0.5]])
metric.result()  # 0.5
```
"""

from typing import Any

import tensorflow as tf
from assay.keras_metrics._exact_sum import ExactSum
from assay.keras_metrics._flavour import FlavourMetric, serialisable
from assay.keras_metrics._labels import align_weights, as_class_ids, as_scores

DEFAULT_K = 5


@serialisable
class TopKAccuracy(FlavourMetric):
    """Share of the examples whose class has one of the `k` highest scores.

        result = sum(weight * [rank(class) < k]) / sum(weight)
        rank(class) = number of classes with a higher score, or with the same score and a lower id

    Ties: the lower id wins, as in a stable sort and in argmax; a model that gives all classes one score is right for
    the classes 0 to k - 1 only. Nothing counted yet, or weights of 0 only: 0. A row with a NaN score counts as wrong,
    and so does a label that names no class (an id out of range, a row of zeros). A weight that is NaN or infinite
    shows as NaN in the result until `reset_state`.

    Counts are exact far beyond 2^24 (see `ExactSum`), under any policy; with weights that are multiples of 2^-20 the
    result does not depend on the order or the split of the batches at all. Under a `tf.distribute` strategy replicas
    count apart and a read outside the replicas sums them.

    Args:
        k: Number of scores that count, at least 1.
        name: Name of the metric; None means `top_<k>_accuracy`.
        ignore_label: Sparse class id of examples to leave out, for example -1 or 255.
        dtype: Dtype of the result; None means float32. The counts do not depend on it.

    Raises:
        ValueError: If `k` is no positive integer; on an update, if `k` is larger than the number of classes, or shapes
            do not fit.

    References:
        Krizhevsky, Sutskever, Hinton, "ImageNet Classification with Deep Convolutional Neural Networks" (top-5), 2012.
    """

    def __init__(
        self,
        k: int = DEFAULT_K,
        *,
        name: str | None = None,
        ignore_label: int | None = None,
        dtype: Any = None,
    ) -> None:
        if isinstance(k, bool) or int(k) != k or k < 1:
            raise ValueError(f"`k` must be an integer of at least 1. Received: {k!r}.")
        super().__init__(name=name or f"top_{int(k)}_accuracy", dtype=dtype)
        self.k = int(k)
        self.ignore_label = None if ignore_label is None else int(ignore_label)
        self.correct = ExactSum(self, "correct")
        self.total = ExactSum(self, "total")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Count a batch.

        Args:
            y_true: Sparse ids `[batch, ...]` (or `[batch, ..., 1]`), or one value per class
                `[batch, ..., num_classes]`, of which the largest names the class.
            y_pred: Scores `[batch, ..., num_classes]`, logits or probabilities, of any float dtype.
            sample_weight: None, a scalar, or weights of shape `[batch, ...]` or a leading part of it. An example of
                weight 0 is not looked at.

        Raises:
            ValueError: If `k` is larger than the number of classes, or the shapes do not fit.
        """
        scores = as_scores(y_pred)
        num_classes = scores.shape[-1]
        if num_classes is not None and self.k > num_classes:
            raise ValueError(
                f"`k` ({self.k}) of {self.name!r} is larger than the number of classes ({num_classes}): "
                "every prediction would be right."
            )
        ids = as_class_ids(y_true, scores)
        correct = in_top_k(ids, scores, self.k)
        counted = tf.ones_like(correct)
        if self.ignore_label is not None:
            counted = tf.not_equal(ids, tf.cast(self.ignore_label, ids.dtype))
        if sample_weight is None:
            self.correct.add(tf.logical_and(correct, counted))
            self.total.add(counted)
            return
        weights = align_weights(tf.convert_to_tensor(sample_weight), correct)
        if weights.dtype == tf.bool:
            weights = tf.cast(weights, tf.int32)
        weights = tf.where(counted, weights, tf.zeros_like(weights))
        self.correct.add(tf.where(correct, weights, tf.zeros_like(weights)))
        self.total.add(weights)

    def result(self) -> Any:
        """The share of correct examples so far, a scalar in [0, 1]; 0 when nothing was counted."""
        share = tf.math.divide_no_nan(self.correct.value(self.dtype), self.total.value(self.dtype))
        return tf.cast(share, self.dtype)

    def get_config(self) -> dict[str, Any]:
        """Every constructor argument, as JSON values."""
        return {**super().get_config(), "k": self.k, "ignore_label": self.ignore_label}


@serialisable
class Accuracy(TopKAccuracy):
    """Share of the examples whose class has the highest score: `TopKAccuracy` with `k` = 1.

    Args:
        name: Name of the metric.
        ignore_label: Sparse class id of examples to leave out, for example -1 or 255.
        dtype: Dtype of the result; None means float32.
    """

    def __init__(self, name: str = "accuracy", *, ignore_label: int | None = None, dtype: Any = None) -> None:
        super().__init__(k=1, name=name, ignore_label=ignore_label, dtype=dtype)

    def get_config(self) -> dict[str, Any]:
        """Every constructor argument, as JSON values."""
        config = super().get_config()
        del config["k"]
        return config


def in_top_k(ids: Any, scores: Any, k: int) -> Any:
    """Whether each class has one of the `k` highest scores of its row, without sorting.

    Args:
        ids: int32 or int64 `[batch, ...]`.
        scores: float32 or float64 `[batch, ..., num_classes]`.
        k: At least 1.

    Returns:
        Boolean `[batch, ...]`; false for an id out of range and for a row with a NaN.
    """
    num_classes = tf.shape(scores)[-1]
    known = tf.logical_and(ids >= 0, ids < tf.cast(num_classes, ids.dtype))
    ids = tf.expand_dims(tf.cast(tf.where(known, ids, tf.zeros_like(ids)), tf.int32), axis=-1)
    own = tf.gather(scores, ids, axis=-1, batch_dims=ids.shape.rank - 1)
    ahead = tf.logical_or(
        scores > own, tf.logical_and(tf.equal(scores, own), tf.range(num_classes, dtype=tf.int32) < ids)
    )
    rank = tf.reduce_sum(tf.cast(ahead, tf.int32), axis=-1)
    readable = tf.logical_not(tf.reduce_any(tf.math.is_nan(scores), axis=-1))
    return tf.logical_and(tf.logical_and(rank < k, known), readable)
