"""Sound Keras metrics, as plain objects: twins, and the base of mutants.

Each part of a metric is a method of its own, so that a mutant overrides the one line that it gets wrong. Nothing here
derives from a Keras class, so that both flavours are served. Counts are float64: exact up to 2^53.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from assay.conformance.lazy import tf
from assay.conformance.specimens.loss import NUM_CLASSES


class SoundMetric:
    """The frame of a metric: variables that replicas add up, weights, reset, merge, config.

    Args:
      name: The name.
      dtype: The dtype of the result.
    """

    def __init__(self, *, name: str = "metric", dtype: str = "float32") -> None:
        self.name = name
        self.dtype = dtype
        self.variables: list[Any] = []

    def add(self, name: str, shape: tuple[int, ...] = ()) -> Any:
        """Return a new variable of zeros, which each replica has for itself and which is summed on reading."""
        variable = tf.Variable(
            tf.zeros(shape, self.count_dtype()),
            trainable=False,
            name=f"{self.name}/{name}",
            synchronization=tf.VariableSynchronization.ON_READ,
            aggregation=self.aggregation(),
        )
        self.variables.append(variable)
        return variable

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Count a batch; weights are one an example, `[batch]` or `[batch, 1]`."""
        y_true, y_pred = self.prepare(tf.convert_to_tensor(y_true), tf.convert_to_tensor(y_pred))
        weights = tf.ones(tf.shape(y_true)[:1], self.count_dtype())
        if sample_weight is not None:
            weights = self.align(tf.cast(sample_weight, self.count_dtype()), weights)
        self.count(y_true, y_pred, weights)

    def result(self) -> Any:
        """Return the result."""
        raise NotImplementedError

    def reset_state(self) -> None:
        """Forget everything."""
        for variable in self.variables:
            variable.assign(tf.zeros(variable.shape, variable.dtype))

    def merge_state(self, metrics: Iterable[Any]) -> None:
        """Add what other metrics have counted."""
        for other in metrics:
            for mine, theirs in zip(self.variables, other.variables, strict=True):
                mine.assign_add(theirs)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {"name": self.name, "dtype": self.dtype}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """Return a metric of a config."""
        return cls(**config)

    # The parts, for mutants to override.

    def count_dtype(self) -> Any:
        """Return the dtype of the variables."""
        return tf.float64

    def aggregation(self) -> Any:
        """Return what reading does with the copies of the replicas."""
        return tf.VariableAggregation.SUM

    def prepare(self, y_true: Any, y_pred: Any) -> tuple[Any, Any]:
        """Return the inputs with the ranks that `count` expects, or refuse them."""
        raise NotImplementedError

    def align(self, given: Any, ones: Any) -> Any:
        """Return weights `[batch]` of `[batch]` or `[batch, 1]`; anything else is refused."""
        if len(given.shape) == 2 and given.shape[1] == 1:
            given = given[:, 0]
        if len(given.shape) != 1:
            raise ValueError(f"`sample_weight` must be one number an example. Received shape {given.shape}.")
        tf.debugging.assert_equal(tf.shape(given), tf.shape(ones), message="`sample_weight` must be [batch]")
        return given

    def count(self, y_true: Any, y_pred: Any, weights: Any) -> None:
        """Add a batch to the variables."""
        raise NotImplementedError


class SoundMean(SoundMetric):
    """The weighted mean of one number an example; 0 of none."""

    def __init__(self, *, name: str = "mean", dtype: str = "float32") -> None:
        super().__init__(name=name, dtype=dtype)
        self.total = self.add("total")
        self.weight = self.add("weight")

    def count(self, y_true: Any, y_pred: Any, weights: Any) -> None:
        """Add the values of a batch and their weights; a value of weight zero is not looked at."""
        self.accumulate(self.mask(tf.cast(self.values(y_true, y_pred), weights.dtype), weights) * weights, weights)

    def accumulate(self, values: Any, weights: Any) -> None:
        """Add weighted values and weights to the variables."""
        self.total.assign_add(tf.reduce_sum(values))
        self.weight.assign_add(tf.reduce_sum(weights))

    def mask(self, values: Any, weights: Any) -> Any:
        """Return values with zeros where the weight is zero: zero times NaN is NaN."""
        return tf.where(tf.equal(weights, 0), tf.zeros_like(values), values)

    def values(self, y_true: Any, y_pred: Any) -> Any:
        """Return one value an example, `[batch]`."""
        raise NotImplementedError

    def result(self) -> Any:
        """Return the mean."""
        return tf.cast(tf.math.divide_no_nan(self.read(self.total), self.read(self.weight)), self.dtype)

    def read(self, variable: Any) -> Any:
        """Return the value of a variable."""
        return tf.convert_to_tensor(variable)


class SoundHitRate(SoundMean):
    """The share of the class ids `[batch]` with the highest of the scores `[batch, classes]`; a NaN is a miss."""

    def __init__(self, *, name: str = "hit_rate", dtype: str = "float32") -> None:
        super().__init__(name=name, dtype=dtype)

    def prepare(self, y_true: Any, y_pred: Any) -> tuple[Any, Any]:
        """Return class ids `[batch]`, of `[batch]` or `[batch, 1]`, and scores `[batch, classes]`."""
        return class_ids(y_true), scores(y_pred)

    def values(self, y_true: Any, y_pred: Any) -> Any:
        """Return 1 for a hit and 0 for a miss."""
        hits = tf.equal(tf.cast(y_true, tf.int64), tf.argmax(y_pred, axis=-1))
        return tf.cast(tf.logical_and(hits, readable(y_pred)), tf.float32)


class SoundIgnoringHitRate(SoundHitRate):
    """The hit rate of the examples that do not have a label, which stands for none.

    Args:
      ignore_label: The label.
      name: The name.
      dtype: The dtype of the result.
    """

    def __init__(self, *, ignore_label: int = 255, name: str = "hit_rate", dtype: str = "float32") -> None:
        super().__init__(name=name, dtype=dtype)
        self.ignore_label = ignore_label

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {**super().get_config(), "ignore_label": self.ignore_label}

    def count(self, y_true: Any, y_pred: Any, weights: Any) -> None:
        """Add the examples of a batch that are not ignored."""
        super().count(y_true, y_pred, self.valid(y_true, weights))

    def valid(self, y_true: Any, weights: Any) -> Any:
        """Return the weights, zero where the label is the ignored one."""
        return tf.where(tf.equal(y_true, self.ignore_label), tf.zeros_like(weights), weights)


class SoundDeviation(SoundMean):
    """The mean absolute error of numbers `[batch, values]`, times a scale.

    Args:
      scale: The unit of the error.
      name: The name.
      dtype: The dtype of the result.
    """

    def __init__(self, *, scale: float = 1.0, name: str = "deviation", dtype: str = "float32") -> None:
        super().__init__(name=name, dtype=dtype)
        self.scale = scale

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {**super().get_config(), "scale": self.scale}

    def prepare(self, y_true: Any, y_pred: Any) -> tuple[Any, Any]:
        """Return both in float32 and of one shape; others are refused."""
        y_true, y_pred = tf.cast(y_true, tf.float32), tf.cast(y_pred, tf.float32)
        y_true.shape.assert_is_compatible_with(y_pred.shape)
        return y_true, y_pred

    def values(self, y_true: Any, y_pred: Any) -> Any:
        """Return the mean error of each example."""
        return self.scale * tf.reduce_mean(tf.abs(y_true - y_pred), axis=-1)


class SoundIoU(SoundMetric):
    """Mean intersection over union of class ids `[batch]` and scores `[batch, classes]`, from a confusion matrix.

    A class that is neither in the labels nor in the predictions is left out of the mean. 0 when there is none at all.

    Args:
      num_classes: How many classes.
      name: The name.
      dtype: The dtype of the result.
    """

    def __init__(self, *, num_classes: int = NUM_CLASSES, name: str = "iou", dtype: str = "float32") -> None:
        super().__init__(name=name, dtype=dtype)
        self.num_classes = num_classes
        self.confusion = self.add("confusion", (num_classes, num_classes))

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {**super().get_config(), "num_classes": self.num_classes}

    def prepare(self, y_true: Any, y_pred: Any) -> tuple[Any, Any]:
        """Return class ids `[batch]`, of `[batch]` or `[batch, 1]`, and scores `[batch, classes]`."""
        return class_ids(y_true), scores(y_pred)

    def count(self, y_true: Any, y_pred: Any, weights: Any) -> None:
        """Add a batch to the matrix; scores that are NaN make the result NaN, unless their weight is zero."""
        unreadable = tf.logical_and(tf.logical_not(readable(y_pred)), tf.not_equal(weights, 0))
        weights = tf.where(unreadable, tf.cast(np.nan, weights.dtype), weights)
        rows = tf.one_hot(tf.cast(y_true, tf.int32), self.num_classes, dtype=weights.dtype) * weights[:, tf.newaxis]
        columns = tf.one_hot(tf.argmax(y_pred, axis=-1), self.num_classes, dtype=weights.dtype)
        self.confusion.assign_add(tf.matmul(rows, columns, transpose_a=True))

    def result(self) -> Any:
        """Return the mean over the classes that occur, as a dict with the value of each class."""
        matrix = tf.convert_to_tensor(self.confusion)
        both = tf.linalg.diag_part(matrix)
        either = tf.reduce_sum(matrix, axis=0) + tf.reduce_sum(matrix, axis=1) - both
        ratios = tf.math.divide_no_nan(both, either)
        mean = self.average(ratios, tf.not_equal(either, 0))
        return {"mean_iou": tf.cast(mean, self.dtype), "per_class": tf.cast(ratios, self.dtype)}

    def average(self, ratios: Any, present: Any) -> Any:
        """Return the mean of the ratios of the classes that occur."""
        total = tf.reduce_sum(tf.where(present, ratios, tf.zeros_like(ratios)))
        return tf.math.divide_no_nan(total, tf.reduce_sum(tf.cast(present, ratios.dtype)))


def class_ids(y_true: Any) -> Any:
    """Return class ids `[batch]`, of `[batch]` or `[batch, 1]`; others are refused."""
    if len(y_true.shape) == 2 and y_true.shape[1] == 1:
        y_true = y_true[:, 0]
    if len(y_true.shape) != 1:
        raise ValueError(f"`y_true` must be class ids [batch]. Received shape {y_true.shape}.")
    return y_true


def scores(y_pred: Any) -> Any:
    """Return scores `[batch, classes]` in float32; others are refused."""
    if len(y_pred.shape) != 2:
        raise ValueError(f"`y_pred` must be scores [batch, classes]. Received shape {y_pred.shape}.")
    return tf.cast(y_pred, tf.float32)


def readable(y_pred: Any) -> Any:
    """Return which rows hold no NaN."""
    return tf.logical_not(tf.reduce_any(tf.math.is_nan(y_pred), axis=-1))
