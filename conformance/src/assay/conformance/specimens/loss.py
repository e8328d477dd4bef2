"""Sound losses, as plain objects: twins, and the base of mutants.

Each part of a loss is a method of its own (the values, the masking, the reduction), so that a mutant overrides the one
line that it gets wrong. Nothing here derives from a Keras class, so that both flavours are served.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from assay.conformance.lazy import tf

REDUCTIONS = ("none", "sum", "sum_over_batch_size")
NUM_CLASSES = 4
EXAMPLES = 6


class SoundLoss:
    """The frame of a loss: safe values under zero weights, weights, reduction, config.

    Args:
      reduction: `none`, `sum` or `sum_over_batch_size`.
      name: The name.
    """

    def __init__(self, *, reduction: str = "sum_over_batch_size", name: str = "loss") -> None:
        self.reduction = reduction
        self.name = name

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Return the loss, float32: `[batch, ...]` with reduction none, else a scalar."""
        y_true, y_pred = self.prepare(tf.convert_to_tensor(y_true), tf.convert_to_tensor(y_pred))
        if sample_weight is not None:
            sample_weight = tf.cast(sample_weight, tf.float32)
            y_true, y_pred = self.mask_inputs(y_true, y_pred, sample_weight)
        return self.reduce(self.weigh(self.call(y_true, y_pred), sample_weight), sample_weight)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {"reduction": self.reduction, "name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """Return a loss of a config."""
        return cls(**config)

    # The parts, for mutants to override.

    def prepare(self, y_true: Any, y_pred: Any) -> tuple[Any, Any]:
        """Return the labels of equal rank with the predictions, and the predictions in float32."""
        return y_true, tf.cast(y_pred, tf.float32)

    def mask_inputs(self, y_true: Any, y_pred: Any, weights: Any) -> tuple[Any, Any]:
        """Return inputs with harmless values where the weight is zero: zero times NaN is NaN, forward and backward."""
        return y_true, masked(y_pred, weights)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return one value an example."""
        raise NotImplementedError

    def weigh(self, losses: Any, weights: Any) -> Any:
        """Return the values times their weights."""
        return losses if weights is None else losses * weights

    def reduce(self, losses: Any, weights: Any) -> Any:
        """Return the values, their sum, or their mean over all elements; 0 when there are none."""
        del weights
        if self.reduction == "none":
            return losses
        total = tf.reduce_sum(losses)
        return total if self.reduction == "sum" else tf.math.divide_no_nan(total, self.divisor(losses))

    def divisor(self, losses: Any) -> Any:
        """Return what the mean divides by."""
        return tf.cast(tf.size(losses), tf.float32)


def masked(values: Any, weights: Any) -> Any:
    """Return values with zeros in the rows whose weight is zero; weights have the leading dimensions of the values."""
    while len(weights.shape) < len(values.shape):
        weights = weights[..., tf.newaxis]
    return tf.where(tf.not_equal(weights, 0.0), values, tf.zeros_like(values))


class SoundCrossEntropy(SoundLoss):
    """Cross-entropy of class ids `[batch]` and logits `[batch, classes]`, or rows of probabilities.

    Args:
      from_logits: Whether predictions are logits.
      ignore_label: The id whose elements count for nothing; the mean is then over the others.
      reduction: As in `SoundLoss`.
      name: The name.
    """

    def __init__(
        self,
        *,
        from_logits: bool = True,
        ignore_label: int | None = None,
        reduction: str = "sum_over_batch_size",
        name: str = "cross_entropy",
    ) -> None:
        super().__init__(reduction=reduction, name=name)
        self.from_logits = from_logits
        self.ignore_label = ignore_label

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {**super().get_config(), "from_logits": self.from_logits, "ignore_label": self.ignore_label}

    def prepare(self, y_true: Any, y_pred: Any) -> tuple[Any, Any]:
        """Return ids without a trailing dimension of one, and float32 predictions."""
        y_true, y_pred = super().prepare(y_true, y_pred)
        if len(y_true.shape) == len(y_pred.shape):
            y_true = tf.squeeze(y_true, axis=-1)
        return tf.cast(y_true, tf.int32), y_pred

    def mask_inputs(self, y_true: Any, y_pred: Any, weights: Any) -> tuple[Any, Any]:
        """Return class 0 and harmless logits where the weight is zero."""
        return tf.where(tf.not_equal(weights, 0.0), y_true, tf.zeros_like(y_true)), masked(y_pred, weights)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return `-log p[y_true]`, `[batch]`; 0 where the label is ignored."""
        valid = self.valid(y_true)
        labels = tf.where(valid, y_true, tf.zeros_like(y_true))
        losses = self.values(labels, y_pred)
        return tf.where(valid, losses, tf.zeros_like(losses))

    def values(self, labels: Any, y_pred: Any) -> Any:
        """Return `-log p[labels]`."""
        if self.from_logits:
            return tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=y_pred)
        picked = tf.reduce_sum(y_pred * tf.one_hot(labels, y_pred.shape[-1], dtype=y_pred.dtype), axis=-1)
        # `maximum` would stop the gradient of a probability of zero, which is when it is needed most.
        return -tf.math.log(picked + 1e-7 * tf.cast(picked < 1e-7, picked.dtype))

    def valid(self, y_true: Any) -> Any:
        """Return which elements count."""
        if self.ignore_label is None:
            return tf.ones_like(y_true, tf.bool)
        return tf.not_equal(y_true, self.ignore_label)

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Return the loss; with an ignore label the mean is over the elements that count."""
        if self.ignore_label is None or self.reduction != "sum_over_batch_size":
            return super().__call__(y_true, y_pred, sample_weight)
        labels, _ = self.prepare(tf.convert_to_tensor(y_true), tf.convert_to_tensor(y_pred))
        total = type(self).from_config({**self.get_config(), "reduction": "sum"})(y_true, y_pred, sample_weight)
        return tf.math.divide_no_nan(total, self.count(self.valid(labels)))

    def count(self, valid: Any) -> Any:
        """Return how many elements count, on all replicas together: theirs add up to the mean of all."""
        count = tf.reduce_sum(tf.cast(valid, tf.float32))
        context = tf.distribute.get_replica_context()
        if context is None or context.num_replicas_in_sync == 1:
            return count
        return context.all_reduce(tf.distribute.ReduceOp.SUM, count)


class SoundHuber(SoundLoss):
    """Huber loss of numbers: the mean over the last axis, `[batch]` from `[batch, values]`.

    Args:
      delta: Where the square becomes a line.
      reduction: As in `SoundLoss`.
      name: The name.
    """

    def __init__(self, *, delta: float = 1.0, reduction: str = "sum_over_batch_size", name: str = "huber") -> None:
        super().__init__(reduction=reduction, name=name)
        self.delta = delta

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {**super().get_config(), "delta": self.delta}

    def prepare(self, y_true: Any, y_pred: Any) -> tuple[Any, Any]:
        """Return both in float32 and of one shape; `[n]` and `[n, 1]` are the same, anything else is refused."""
        y_true, y_pred = tf.cast(y_true, tf.float32), tf.cast(y_pred, tf.float32)
        if len(y_true.shape) == 1 and len(y_pred.shape) == 2:
            y_true = y_true[:, tf.newaxis]
        if len(y_pred.shape) == 1:
            y_pred = y_pred[:, tf.newaxis]
            y_true = y_true[:, tf.newaxis] if len(y_true.shape) == 1 else y_true
        y_true.shape.assert_is_compatible_with(y_pred.shape)
        return y_true, y_pred

    def mask_inputs(self, y_true: Any, y_pred: Any, weights: Any) -> tuple[Any, Any]:
        """Return zeros on both sides where the weight is zero."""
        return masked(y_true, weights), masked(y_pred, weights)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return the mean over the last axis."""
        error = y_pred - y_true
        inner = tf.clip_by_value(error, -self.delta, self.delta)
        return tf.reduce_mean(inner * (error - 0.5 * inner), axis=-1)


class SoundBinaryCrossEntropy(SoundLoss):
    """Cross-entropy of labels in [0, 1] and logits, both `[batch, values]`: the mean over the last axis, `[batch]`."""

    def prepare(self, y_true: Any, y_pred: Any) -> tuple[Any, Any]:
        """Return both in float32; shapes that differ are refused."""
        y_true.shape.assert_is_compatible_with(y_pred.shape)
        return tf.cast(y_true, tf.float32), tf.cast(y_pred, tf.float32)

    def mask_inputs(self, y_true: Any, y_pred: Any, weights: Any) -> tuple[Any, Any]:
        """Return zeros on both sides where the weight is zero."""
        return masked(y_true, weights), masked(y_pred, weights)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return the mean over the last axis."""
        return tf.reduce_mean(self.elements(y_true, y_pred), axis=-1)

    def elements(self, y_true: Any, y_pred: Any) -> Any:
        """Return one value an element."""
        return tf.nn.sigmoid_cross_entropy_with_logits(labels=y_true, logits=y_pred)


class SoundDice(SoundLoss):
    """Soft Dice loss over a whole batch of probabilities: one number, whatever the reduction."""

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Return `1 - (2 sum(w t p) + 1) / (sum(w t) + sum(w p) + 1)`, a scalar; 0 for no example."""
        y_true, y_pred = tf.cast(y_true, tf.float32), tf.cast(y_pred, tf.float32)
        y_true.shape.assert_is_compatible_with(y_pred.shape)
        if sample_weight is not None:
            weights = tf.cast(sample_weight, tf.float32)
            y_true, y_pred = (self.weigh(masked(side, weights), weights) for side in (y_true, y_pred))
        both = tf.reduce_sum(y_true * y_pred)
        return 1.0 - (2.0 * both + 1.0) / (tf.reduce_sum(y_true) + tf.reduce_sum(y_pred) + 1.0)

    def weigh(self, losses: Any, weights: Any) -> Any:
        """Return values `[batch, ...]` times the weights of their rows."""
        return losses * tf.reshape(weights, [-1] + [1] * (len(losses.shape) - 1))


def class_sample() -> tuple[np.ndarray, np.ndarray]:
    """Return class ids `[6]` int32 and logits `[6, 4]`."""
    random = np.random.default_rng(0)
    return np.array([0, 1, 2, 3, 1, 0], np.int32), random.normal(size=(EXAMPLES, NUM_CLASSES)).astype(np.float32)


def probability_sample() -> tuple[np.ndarray, np.ndarray]:
    """Return class ids `[6]` int32 and rows of probabilities `[6, 4]`."""
    labels, logits = class_sample()
    powers = np.exp(logits)
    return labels, (powers / powers.sum(axis=-1, keepdims=True)).astype(np.float32)


def number_sample() -> tuple[np.ndarray, np.ndarray]:
    """Return targets `[6, 3]` and predictions `[6, 3]`, errors on both sides of 1."""
    random = np.random.default_rng(1)
    targets = random.normal(size=(EXAMPLES, 3))
    return targets.astype(np.float32), (targets + 1.5 * random.normal(size=(EXAMPLES, 3))).astype(np.float32)


def soft_label_sample() -> tuple[np.ndarray, np.ndarray]:
    """Return labels `[6, 3]` in [0, 1] and logits `[6, 3]`."""
    random = np.random.default_rng(2)
    labels = random.uniform(0.05, 0.95, size=(EXAMPLES, 3))
    return labels.astype(np.float32), random.normal(size=(EXAMPLES, 3)).astype(np.float32)


def mask_sample() -> tuple[np.ndarray, np.ndarray]:
    """Return masks `[6, 5]` of zeros and ones and probabilities `[6, 5]`."""
    random = np.random.default_rng(3)
    masks = (random.uniform(size=(EXAMPLES, 5)) < 0.4).astype(np.float32)
    return masks, random.uniform(0.05, 0.95, size=(EXAMPLES, 5)).astype(np.float32)


def ignored_sample() -> tuple[np.ndarray, np.ndarray]:
    """Return class ids `[6]` of which two are 255, and logits `[6, 4]`."""
    labels, logits = class_sample()
    labels[[1, 4]] = 255
    return labels, logits
