"""Makes the learning rate from its configuration."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf
from assay.core.config import ConfigError, OptimizationConfig
from assay.core.optimization.schedules import LinearWarmup, Offset, PolynomialWarmup

_keras = tf.keras.optimizers.schedules


def build_learning_rate(config: OptimizationConfig) -> Any:
    """Make the learning rate that `learning_rate` and `warmup` describe.

    Args:
        config: The options; only these two are read.

    Returns:
        A float for a constant rate without warmup, else a Keras `LearningRateSchedule`: a serialisable function from
        the step (the optimizer's `iterations`, 0 at the first step) to a float32 scalar.

    Raises:
        ConfigError: No schedule is chosen, or one of its numbers is missing or out of range.
    """
    config.validate()
    if config.learning_rate.type is None:
        choices = ", ".join(config.learning_rate.choices())
        raise ConfigError(f"`optimizer_config.learning_rate.type` must be set, to one of: {choices}.")
    chosen = config.learning_rate.get()
    rate = _SCHEDULES[config.learning_rate.type](chosen)
    if getattr(chosen, "offset", 0):
        rate = Offset(rate, chosen.offset)
    warmup = config.warmup.get()
    if config.warmup.type == "linear":
        return LinearWarmup(rate, warmup.warmup_steps, warmup.warmup_learning_rate)
    if config.warmup.type == "polynomial":
        return PolynomialWarmup(rate, warmup.warmup_steps, warmup.power)
    return rate


_SCHEDULES: dict[str, Callable[[Any], Any]] = {
    "constant": lambda options: options.learning_rate,
    "stepwise": lambda options: _keras.PiecewiseConstantDecay(options.boundaries, options.values),
    "exponential": lambda options: _keras.ExponentialDecay(
        options.initial_learning_rate, options.decay_steps, options.decay_rate, staircase=options.staircase
    ),
    "polynomial": lambda options: _keras.PolynomialDecay(
        options.initial_learning_rate,
        options.decay_steps,
        end_learning_rate=options.end_learning_rate,
        power=options.power,
        cycle=options.cycle,
    ),
    "cosine": lambda options: _keras.CosineDecay(
        options.initial_learning_rate, options.decay_steps, alpha=options.alpha
    ),
}
