"""A sum that neither stops at 2^24 nor depends on the order of its terms.

A float32 counter stops at 16,777,216: adding 1 changes nothing. This sum keeps fixed-point numbers in an int64
variable, in units of 2^-20, where addition is exact, associative and the same on every device; what is finer than a
unit goes to a float32 variable beside it (below 1.2e-38 it is 0, as everywhere in TensorFlow). Counts and weights that
are multiples of 2^-20 are therefore exact up to 2^43 (8.8e12), any others to within float32 rounding of that small
remainder. Both variables are plain sums, so replicas, `merge_state` and checkpoints need nothing special.
"""

from collections.abc import Callable
from typing import Any

import tensorflow as tf
from assay.keras_metrics._flavour import FlavourMetric

FRACTION_BITS = 20
UNITS_PER_ONE = 2**FRACTION_BITS
# A single term from here on, infinite or NaN goes to the float32 remainder: its units would not fit in an int64.
LARGEST_EXACT_TERM = 2.0**31


class ExactSum(tf.Module):
    """A sum of counts or weights in two variables of a metric.

    Args:
        metric: The metric that owns the variables.
        name: Name of the sum; the variables are called `<name>_units` and `<name>_remainder`.
        shape: Shape of the sum.
    """

    def __init__(self, metric: FlavourMetric, name: str, *, shape: tuple[int, ...] = ()) -> None:
        super().__init__(name=name)
        self.units = metric.add_state(f"{name}_units", shape, "int64")
        self.remainder = metric.add_state(f"{name}_remainder", shape, "float32")

    def add(self, terms: Any) -> None:
        """Add terms up over all their axes, and to the sum (for a sum of shape `()`).

        Args:
            terms: Tensor of any shape: bool, integer or float. Not-finite terms make the sum not finite.
        """
        if not terms.dtype.is_floating:
            self.add_counts(tf.reduce_sum(tf.cast(terms, tf.int64)))
            return
        units, remainder = in_units(terms)
        self.units.assign_add(tf.reduce_sum(units))
        self.remainder.assign_add(tf.reduce_sum(remainder))

    def add_counts(self, counts: Any) -> None:
        """Add whole numbers of the shape of the sum.

        Args:
            counts: int32 or int64 of the shape of the sum.
        """
        self.units.assign_add(tf.cast(counts, tf.int64) * UNITS_PER_ONE)

    def add_at(self, terms: Any, places: Any) -> None:
        """Add float terms to places of a sum of shape `[n]`.

        Args:
            terms: Float tensor of any shape.
            places: int32 of that shape; a term with a negative place is left out.
        """
        places, length = tf.reshape(places, [-1]), self.units.shape[0]
        for part, split in zip((self.units, self.remainder), in_units(tf.reshape(terms, [-1])), strict=True):
            part.assign_add(tf.math.unsorted_segment_sum(split, places, length))

    def value(self, dtype: Any = tf.float32) -> Any:
        """The sum as a float tensor of its shape."""
        return self.combined(lambda part: part, dtype)

    def combined(self, function: Callable[[Any], Any], dtype: Any = tf.float32) -> Any:
        """A linear function of the sum, computed before anything is rounded to a float.

        Args:
            function: Takes and returns tensors; called with the units (int64) and with the remainder (float32).
            dtype: Dtype of the result: float64, or float32 for any other.
        """
        units, remainder = (tf.convert_to_tensor(part) for part in (self.units, self.remainder))
        return as_number(function(units), function(remainder), dtype)


def in_units(terms: Any) -> tuple[Any, Any]:
    """Split float terms into whole units of 2^-20 (int64) and what is left (float32), both of the shape of the terms.

    A term that is too large for an exact sum, infinite or NaN is all remainder.
    """
    terms = tf.cast(terms, tf.float32)
    exact = tf.abs(terms) < LARGEST_EXACT_TERM
    scaled = tf.where(exact, terms, tf.zeros_like(terms)) * UNITS_PER_ONE
    whole = tf.round(scaled)
    return tf.cast(whole, tf.int64), tf.where(exact, (scaled - whole) / UNITS_PER_ONE, terms)


def as_number(units: Any, remainder: Any, dtype: Any = tf.float32) -> Any:
    """Units (int64) and their remainder (float32) as one float tensor: float64, or float32 for any other dtype."""
    dtype = tf.float64 if tf.as_dtype(dtype) == tf.float64 else tf.float32
    return tf.cast(units, dtype) / UNITS_PER_ONE + tf.cast(remainder, dtype)
