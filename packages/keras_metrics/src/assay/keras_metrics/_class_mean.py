"""Means over classes, and what a class that does not occur does to them."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

EXCLUDED, ZERO, ONE, NAN = "excluded", "zero", "one", "nan"


def mean_over_classes(values: Any, present: Any, *, absent_class: str, target_class_ids: Sequence[int] | None) -> Any:
    """Average values of classes.

    Args:
        values: Float `[num_classes]`.
        present: Bool `[num_classes]`: whether the class occurs, so that its value means something.
        absent_class: What one that does not occur does: `excluded`, it is left out; `zero` or `one`, it counts so.
        target_class_ids: The classes to average; None for all.

    Returns:
        A scalar; 0 when no class occurs.
    """
    if target_class_ids is not None:
        values, present = (tf.gather(one, list(target_class_ids)) for one in (values, present))
    some = tf.cast(tf.reduce_any(present), values.dtype)
    counted = tf.cast(present, values.dtype) if absent_class == EXCLUDED else tf.ones_like(values)
    filled = fill_absent(values, present, absent_class=ONE if absent_class == ONE else ZERO)
    return some * tf.math.divide_no_nan(tf.reduce_sum(filled), tf.reduce_sum(counted))


def fill_absent(values: Any, present: Any, *, absent_class: str) -> Any:
    """Values `[num_classes]` with 0, 1 or NaN (`absent_class`) for the classes that do not occur."""
    number = {ZERO: 0.0, ONE: 1.0, NAN: float("nan")}[absent_class]
    return tf.where(present, values, tf.constant(number, values.dtype))
