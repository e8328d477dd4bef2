"""What the focal losses share: the checks of their options, and powers that cost what they must."""

import math
from typing import Any

import tensorflow as tf


def check_gamma(gamma: float) -> None:
    """Refuse a focusing parameter that is negative or no number."""
    if not (gamma >= 0.0 and math.isfinite(gamma)):
        raise ValueError(f"`gamma` must be a finite number >= 0. Received: {gamma!r}.")


def check_alpha(alpha: float | None) -> None:
    """Refuse a weight of the positives outside [0, 1]."""
    if alpha is not None and not 0.0 <= alpha <= 1.0:
        raise ValueError(f"`alpha` must be in [0, 1], or None for no weight. Received: {alpha!r}.")


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
