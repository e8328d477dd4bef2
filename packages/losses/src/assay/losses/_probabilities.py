"""Probabilities and logits into each other, with gradients that do not vanish where a probability is 0 or 1."""

from typing import Any

import tensorflow as tf

# Below this a probability counts as this: its logarithm stays finite, and float32 tells 1 - EPSILON from 1.
EPSILON = 1e-7
# The logit of EPSILON: a probability computed from a logit beyond it keeps the gradient that it has there.
LARGEST_LOGIT = 16.0


def log(probabilities: Any) -> Any:
    """Logarithm clipped below at `EPSILON`, with the gradient of the clipped value instead of none."""
    clipped = tf.maximum(probabilities, EPSILON)
    return tf.math.log(probabilities + tf.stop_gradient(clipped - probabilities))


def logit(probabilities: Any) -> Any:
    """`log(p / (1 - p))`, finite for 0 and 1, with a finite gradient there."""
    return log(probabilities) - log(1.0 - probabilities)


def sigmoid(logits: Any) -> Any:
    """Sigmoid that is never flat: beyond `LARGEST_LOGIT` both value and gradient are those of that logit."""
    return tf.sigmoid(_replaced(logits, by=tf.clip_by_value(logits, -LARGEST_LOGIT, LARGEST_LOGIT)))


def softmax(logits: Any) -> Any:
    """Softmax over the last axis that is never flat: no logit counts as more than `LARGEST_LOGIT` below the largest."""
    below = logits - tf.stop_gradient(tf.reduce_max(logits, axis=-1, keepdims=True))
    return tf.nn.softmax(_replaced(below, by=tf.maximum(below, -LARGEST_LOGIT)), axis=-1)


def _replaced(tensor: Any, by: Any) -> Any:
    """The value of one tensor while another receives the gradient; adding their difference would round it away."""

    @tf.custom_gradient
    def replaced(tensor: Any) -> Any:
        del tensor
        return tf.identity(by), lambda upstream: upstream

    return replaced(tensor)
