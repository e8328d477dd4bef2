"""Learning-rate schedules that Keras lacks: an offset, and warmups that meet the schedule they lead to."""

from typing import Any

import tensorflow as tf

_PACKAGE = "assay"


@tf.keras.utils.register_keras_serializable(package=_PACKAGE)
class Offset(tf.keras.optimizers.schedules.LearningRateSchedule):
    """Another schedule, begun later: `schedule(step - offset)`, and `schedule(0)` before that.

    Args:
        schedule: The schedule.
        offset: Steps by which it is late.
    """

    def __init__(self, schedule: Any, offset: int) -> None:
        self.schedule = schedule
        self.offset = offset

    def __call__(self, step: Any) -> tf.Tensor:
        """Return the learning rate of a step."""
        return self.schedule(tf.maximum(tf.cast(step, tf.int64) - self.offset, 0))

    def get_config(self) -> dict[str, Any]:
        """Return the arguments, the schedule serialised."""
        return {"schedule": _serialised(self.schedule), "offset": self.offset}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Offset":
        """Make the schedule again from `get_config`."""
        return cls(**{**config, "schedule": _deserialised(config["schedule"])})


class _Warmup(tf.keras.optimizers.schedules.LearningRateSchedule):
    """A ramp for the steps below `warmup_steps`, the schedule from there on."""

    def __init__(self, schedule: Any, warmup_steps: int) -> None:
        if warmup_steps <= 0:
            raise ValueError(f"`warmup_steps` must be above 0; received {warmup_steps}.")
        self.schedule = schedule
        self.warmup_steps = warmup_steps

    def __call__(self, step: Any) -> tf.Tensor:
        """Return the learning rate of a step."""
        step = tf.cast(step, tf.int64)
        done = tf.cast(step, tf.float32) / float(self.warmup_steps)
        ramp = self.ramp(done, self._rate_after(tf.constant(self.warmup_steps, tf.int64)))
        return tf.where(step < self.warmup_steps, ramp, self._rate_after(step))

    def ramp(self, done: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
        """Return the rate where the share `done` of the warmup is done, `target` being the rate at its end."""
        raise NotImplementedError

    def _rate_after(self, step: tf.Tensor) -> tf.Tensor:
        return tf.cast(self.schedule(step) if callable(self.schedule) else self.schedule, tf.float32)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments, the schedule serialised."""
        return {"schedule": _serialised(self.schedule), "warmup_steps": self.warmup_steps}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "_Warmup":
        """Make the schedule again from `get_config`."""
        return cls(**{**config, "schedule": _deserialised(config["schedule"])})


@tf.keras.utils.register_keras_serializable(package=_PACKAGE)
class LinearWarmup(_Warmup):
    """A straight line from `warmup_learning_rate` at step 0 to `schedule(warmup_steps)` at step `warmup_steps`.

    From that step on the value is `schedule(step)` itself, so there is no jump and nothing of the ramp is left.

    Args:
        schedule: What comes after: a schedule, or a number for a constant rate.
        warmup_steps: Length of the warmup.
        warmup_learning_rate: The rate of step 0.

    References:
        Goyal et al., "Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour", 2017.
    """

    def __init__(self, schedule: Any, warmup_steps: int, warmup_learning_rate: float = 0.0) -> None:
        super().__init__(schedule, warmup_steps)
        self.warmup_learning_rate = warmup_learning_rate

    def ramp(self, done: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
        """Return the point of the line."""
        return self.warmup_learning_rate + done * (target - self.warmup_learning_rate)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments, the schedule serialised."""
        return {**super().get_config(), "warmup_learning_rate": self.warmup_learning_rate}


@tf.keras.utils.register_keras_serializable(package=_PACKAGE)
class PolynomialWarmup(_Warmup):
    """`schedule(warmup_steps) * (step / warmup_steps) ** power` up to step `warmup_steps`, then `schedule(step)`.

    Args:
        schedule: What comes after: a schedule, or a number for a constant rate.
        warmup_steps: Length of the warmup.
        power: Exponent.
    """

    def __init__(self, schedule: Any, warmup_steps: int, power: float = 1.0) -> None:
        super().__init__(schedule, warmup_steps)
        self.power = power

    def ramp(self, done: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
        """Return the point of the curve."""
        return target * tf.pow(done, self.power)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments, the schedule serialised."""
        return {**super().get_config(), "power": self.power}


def _serialised(schedule: Any) -> Any:
    return tf.keras.optimizers.schedules.serialize(schedule) if callable(schedule) else schedule


def _deserialised(config: Any) -> Any:
    return tf.keras.optimizers.schedules.deserialize(config) if isinstance(config, dict) else config
