"""The base of metrics that follow from how much of each class was labelled, predicted and found."""

from typing import Any

import tensorflow as tf
from assay.keras_metrics._confusion import ClassCounts
from assay.keras_metrics._flavour import FlavourMetric
from assay.keras_metrics._labels import align_weights, as_class_ids, as_scores
from assay.keras_metrics._predicted_class import predicted_class


class ClassCountMetric(FlavourMetric):
    """Counts class ids against predictions; subclasses say what follows from the counts in `result`.

    Args:
        num_classes: Number of classes, at least 2.
        name: Name of the metric; None means the default one of the class.
        ignore_label: Class id of elements to leave out, for example 255; it may be one of the classes.
        dtype: Dtype of the result; None means float32.

    Raises:
        ValueError: If `num_classes` is no integer of at least 2.
    """

    default_name = "class_count"

    def __init__(
        self, num_classes: int, name: str | None = None, *, ignore_label: int | None = None, dtype: Any = None
    ) -> None:
        if isinstance(num_classes, bool) or int(num_classes) != num_classes or num_classes < 2:
            raise ValueError(f"`num_classes` must be an integer of at least 2. Received: {num_classes!r}.")
        super().__init__(name=name or self.default_name, dtype=dtype)
        self.num_classes = int(num_classes)
        self.ignore_label = None if ignore_label is None else int(ignore_label)
        self.class_counts = ClassCounts(self, self.num_classes)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Count a batch.

        Args:
            y_true: Class ids `[batch, ...]` (or `[batch, ..., 1]`); or, with scores, one value per class
                `[batch, ..., num_classes]`, of which the largest names the class.
            y_pred: Float scores `[batch, ..., num_classes]`, logits or probabilities; or integer class ids
                `[batch, ...]` (or `[batch, ..., 1]`).
            sample_weight: None, a scalar, or weights of shape `[batch, ...]` or a leading part of it. What has weight
                0 is not looked at.

        Raises:
            ValueError: If the shapes do not fit, or class ids come in a dtype that cannot hold them.
        """
        self._count(y_true, self._read_predictions(y_pred), sample_weight)

    def get_config(self) -> dict[str, Any]:
        """Every constructor argument, as JSON values."""
        return {**super().get_config(), "num_classes": self.num_classes, "ignore_label": self.ignore_label}

    def _read_predictions(self, y_pred: Any) -> Any:
        """Scores in float32 or float64, or integer ids as they are."""
        predictions = tf.convert_to_tensor(y_pred)
        if not predictions.dtype.is_floating:
            if predictions.shape.rank is None:
                raise ValueError(f"`y_pred` of {self.name!r} has an unknown rank. Set its shape (`tf.ensure_shape`).")
            return predictions
        scores = as_scores(predictions)
        if scores.shape[-1] not in (None, self.num_classes):
            raise ValueError(
                f"`y_pred` of {self.name!r} holds floats, which are scores [..., {self.num_classes}], one per class. "
                f"Received shape {scores.shape}. Class ids have an integer dtype."
            )
        return scores

    def _count(self, y_true: Any, predictions: Any, sample_weight: Any, *, counted: Any = None) -> None:
        """Count labels against predictions that `_read_predictions` gave; `counted` has the shape of the ids."""
        if predictions.dtype.is_floating:
            labels, ids = as_class_ids(y_true, predictions), predicted_class(predictions)
        else:
            labels, ids = paired_ids(y_true, predictions)
        if self.ignore_label is not None:
            kept = tf.not_equal(labels, tf.cast(self.ignore_label, labels.dtype))
            counted = kept if counted is None else tf.logical_and(counted, kept)
        weights = None
        if sample_weight is not None:
            weights = align_weights(tf.convert_to_tensor(sample_weight), labels)
            if weights.dtype == tf.bool:
                counted = weights if counted is None else tf.logical_and(counted, weights)
                weights = None
        self._add(labels, ids, counted, weights)

    def _add(self, labels: Any, ids: Any, counted: Any, weights: Any) -> None:
        """Add elements to the counts; all arguments have one shape, or are None."""
        self.class_counts.add(labels, ids, counted=counted, weights=weights)


def paired_ids(y_true: Any, predictions: Any) -> tuple[Any, Any]:
    """Class ids of labels and predictions in one shape `[batch, ...]`; either may have an axis of size 1 at its end."""
    labels = tf.convert_to_tensor(y_true)
    if labels.shape.rank is not None and predictions.shape.rank == labels.shape.rank + 1 and predictions.shape[-1] == 1:
        predictions = tf.squeeze(predictions, axis=-1)
    # The labels are aligned with one score per element, of which only the shape is used.
    column = tf.expand_dims(predictions, axis=-1)
    labels = as_class_ids(labels, column)
    ids = as_class_ids(predictions, column)
    return labels, ids
