"""What the focal losses share: the checks of their options, and powers that cost what they must."""

from collections.abc import Sequence
from typing import Any, SupportsFloat

import tensorflow as tf
from assay.losses._options import check_not_negative, optional_floats


def check_alpha(alpha: float | None) -> None:
    """Refuse a weight of the positives outside [0, 1]."""
    if alpha is not None and not 0.0 <= alpha <= 1.0:
        raise ValueError(f"`alpha` must be in [0, 1], or None for no weight. Received: {alpha!r}.")


def factor_or_factors(alpha: float | Sequence[float] | None) -> float | list[float] | None:
    """One factor for all classes, one per class as a list, or None; all finite and >= 0.

    Raises:
        ValueError: If it is none of them.
    """
    if isinstance(alpha, SupportsFloat):
        check_not_negative(float(alpha), option="alpha")
        return float(alpha)
    return optional_floats(alpha, option="alpha")


def power(base: Any, gamma: float) -> Any:
    """`base ** gamma` for a base in [0, 1]; the usual exponents without a logarithm and an exponential."""
    if gamma == 0.0:
        return tf.ones_like(base)
    if gamma == 0.5:
        return tf.sqrt(base)
    if gamma == 1.0:
        return base
    if gamma == 1.5:
        return base * tf.sqrt(base)
    if gamma == 2.0:
        return tf.square(base)
    return tf.pow(base, tf.cast(gamma, base.dtype))
