"""The one place where Keras 3 and tf_keras metrics differ: the base class, its variables, its checkpoints."""

from collections.abc import Iterable, Sequence
from typing import Any

import tensorflow as tf

# Both flavours keep a register of classes that configs, and in Keras 3 copies and pickles, are rebuilt from.
serialisable = tf.keras.utils.register_keras_serializable(package="assay.keras_metrics")


class FlavourMetric(tf.keras.metrics.Metric, tf.__internal__.tracking.AutoTrackable):
    """A `tf.keras.metrics.Metric` that behaves alike in Keras 3 and in tf_keras.

    * `tf.train.Checkpoint(metric=metric)` works: tf_keras metrics are trackable, Keras 3 metrics become so here.
    * `merge_state` exists: Keras 3 dropped it.
    * `reset_state` takes variables of any shape: that of tf_keras takes scalars.
    * `tf.function(metric.update_state)` works: tf_keras wraps the method to return an operation, which it may not.
    * The dtype of the result is float32 unless another one is asked for, whatever the policy and `floatx` are.

    Args:
        name: Name of the metric.
        dtype: Dtype of the result; None means float32.
    """

    def __init__(self, *, name: str, dtype: Any = None) -> None:
        super().__init__(name=name, dtype="float32" if dtype is None else dtype)
        # The wrapper serves graphs without automatic control dependencies, which TensorFlow 2 has none of.
        self.__dict__.pop("update_state", None)

    def add_state(self, name: str, shape: tuple[int, ...], dtype: str) -> Any:
        """Add a variable of zeros that replicas keep apart and whose reads sum over the replicas.

        It becomes an attribute of that name, which is its key in a checkpoint in both flavours.
        """
        variable = self.add_weight(name=name, shape=shape, initializer="zeros", dtype=dtype)
        setattr(self, name, variable)
        return variable

    def reset_state(self) -> None:
        """Forget everything that was counted."""
        # tf_keras assigns a scalar zero, which a variable with a shape refuses.
        for variable in self.variables:
            variable.assign(tf.zeros(variable.shape, variable.dtype))

    def merge_state(self, metrics: Iterable["FlavourMetric"]) -> None:
        """Add the state of other metrics of the same kind and options to this one.

        Args:
            metrics: Metrics that stay as they are.

        Raises:
            ValueError: If one of them is of another class or has other options; nothing is merged then.
        """
        others = list(metrics)
        for other in others:
            if type(other) is not type(self) or _options(other) != _options(self):
                raise ValueError(
                    f"`merge_state` of {type(self).__name__} with {_options(self)} needs metrics of the same class "
                    f"and options. Received {type(other).__name__} with {_options(other)}."
                )
        self._merge(others)

    def _merge(self, others: Sequence[Any]) -> None:
        """Add the state of metrics that fit; what does not simply add up overrides this."""
        for other in others:
            for mine, theirs in zip(self.variables, other.variables, strict=True):
                mine.assign_add(tf.convert_to_tensor(theirs))


def add_at(variable: Any, places: Any, values: Any) -> None:
    """Add values to places of a variable that `add_state` made, where it lies, without a copy of it.

    Args:
        variable: Of shape `[n]`.
        places: int32 `[m]`, from 0 to n - 1; one may come several times.
        values: `[m]`, of the dtype of the variable.
    """
    # Variables that replicas keep apart have no `scatter_add`; the handle is that of the replica's own.
    tf.raw_ops.ResourceScatterAdd(resource=variable.handle, indices=places, updates=values)


def _options(metric: FlavourMetric) -> dict[str, Any]:
    return {key: value for key, value in metric.get_config().items() if key not in ("name", "dtype")}
