"""Optimizers, learning-rate schedules and weight averages made from configuration, on Keras' own classes."""

from assay.core.config import OptimizationConfig
from assay.core.optimization.ema import averages_weights, swapped_in
from assay.core.optimization.learning_rate import build_learning_rate
from assay.core.optimization.optimizer import available_optimizers, build_optimizer
from assay.core.optimization.schedules import LinearWarmup, Offset, PolynomialWarmup

__all__ = [
    "LinearWarmup",
    "Offset",
    "OptimizationConfig",
    "PolynomialWarmup",
    "available_optimizers",
    "averages_weights",
    "build_learning_rate",
    "build_optimizer",
    "swapped_in",
]
