"""Makes a Keras optimizer from its configuration, on the classes of the Keras flavour in use."""

from typing import Any

import tensorflow as tf
from assay.core.config import ConfigError, OptimizationConfig, RuntimeConfig
from assay.core.optimization.learning_rate import build_learning_rate
from assay.core.precision import DYNAMIC, wrap_loss_scale

KERAS_CLASSES = {
    "sgd": "SGD",
    "rmsprop": "RMSprop",
    "adam": "Adam",
    "adamw": "AdamW",
    "lamb": "Lamb",
    "lion": "Lion",
    "adagrad": "Adagrad",
    "adafactor": "Adafactor",
}
"""The class under `tf.keras.optimizers` for each optimizer type."""


def build_optimizer(optimization_config: OptimizationConfig, runtime_config: RuntimeConfig | None = None) -> Any:
    """Make the optimizer, with its schedule, clipping, weight decay and averaging.

    ```python
    config = OptimizationConfig.from_dict({
        "optimizer": {"type": "sgd", "sgd": {"momentum": 0.9}},
        "learning_rate": {"type": "constant", "constant": {"learning_rate": 0.1}},
    })
    optimizer = build_optimizer(config)
    ```

    Call it under `strategy.scope()`. Clipping and loss scaling are right on several replicas only through
    `assay.core.precision.apply_scaled_gradients`, which `Task.train_step` uses.

    Args:
        optimization_config: The options.
        runtime_config: With `mixed_precision_dtype` float16, the optimizer gets the `loss_scale` given there, a
            dynamic one if that is None.

    Returns:
        A `tf.keras` optimizer, inside a `LossScaleOptimizer` under a dynamic loss scale.

    Raises:
        ConfigError: No optimizer or no schedule is chosen, this Keras has no such optimizer, or an option is wrong.
    """
    optimization_config.validate()
    optimizer_config = optimization_config.optimizer
    if optimizer_config.type is None:
        choices = ", ".join(available_optimizers())
        raise ConfigError(f"`optimizer_config.optimizer.type` must be set, to one of: {choices}.")
    optimizer_class = _keras_class(optimizer_config.type)
    options = {name: value for name, value in optimizer_config.get().as_dict().items() if value != "" or name != "name"}
    not_decayed = options.pop("exclude_from_weight_decay")
    if optimization_config.ema is not None:
        # A None overwrite frequency must be said: tf_keras' RMSprop has another default.
        decay = optimization_config.ema.average_decay
        options |= {"use_ema": True, "ema_momentum": decay, "ema_overwrite_frequency": None}
    optimizer = optimizer_class(learning_rate=build_learning_rate(optimization_config), **options)
    if not_decayed:
        optimizer.exclude_from_weight_decay(var_names=not_decayed)
    if runtime_config is not None and runtime_config.mixed_precision_dtype == "float16":
        return wrap_loss_scale(optimizer, runtime_config.loss_scale or DYNAMIC)
    return optimizer


def available_optimizers() -> list[str]:
    """Return the optimizer types that the Keras flavour in use offers."""
    return [name for name, class_name in KERAS_CLASSES.items() if hasattr(tf.keras.optimizers, class_name)]


def _keras_class(name: str) -> Any:
    if name not in available_optimizers():
        version = getattr(tf.keras, "__version__", "2 (tf_keras)")
        raise ConfigError(
            f"optimizer {name!r} does not exist in Keras {version}. Optimizers here: "
            f"{', '.join(available_optimizers())}."
        )
    return getattr(tf.keras.optimizers, KERAS_CLASSES[name])
