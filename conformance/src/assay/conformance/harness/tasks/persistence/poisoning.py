"""Poison: a batch whose first example is not a number, weights that are not, and where the poison shows afterwards."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from assay.conformance.harness.tasks.build import Build
from assay.conformance.harness.tasks.optimizers import optimizer_variables
from assay.conformance.harness.tasks.snapshots import model_variables, variable_names
from assay.conformance.harness.values import as_numpy


def poisoned_batch(batch: Any) -> Any | None:
    """Return a batch whose first example has NaN in all floating-point features; None when there are no such features.

    The features are the first part of a tuple, and the whole batch when it is none.
    """
    import tensorflow as tf

    pair = isinstance(batch, tuple) and len(batch) > 1
    features = batch[0] if pair else batch
    if not any(_can_be_poisoned(leaf) for leaf in tf.nest.flatten(features)):
        return None
    poisoned = tf.nest.map_structure(_with_nan_first, features)
    return (poisoned, *batch[1:]) if pair else poisoned


def poison_weights(build: Build) -> None:
    """Assign NaN to every trainable weight."""
    for variable in build.model.trainable_variables:
        variable.assign(np.full(tuple(variable.shape), np.nan, as_numpy(variable).dtype))


def poisoned_variables(build: Build) -> list[str]:
    """Return the names of the variables of the model and the optimizer that hold NaN or infinity."""
    names: list[str] = []
    for group, variables in (
        ("", model_variables(build.model)),
        ("the optimizer's ", optimizer_variables(build.optimizer)),
    ):
        for name, variable in zip(variable_names(variables), variables, strict=True):
            value = as_numpy(variable)
            if _is_float(value.dtype) and not np.all(np.isfinite(value.astype(np.float64))):
                names.append(group + name.partition(" ")[2])
    return names


def logged_loss(build: Build, replica_logs: Any) -> list[float] | None:
    """Return the logged loss of each replica; None when a step logs none that is a number."""
    key = getattr(build.task, "loss", "loss")
    values = [logs.get(key) if isinstance(logs, Mapping) else None for logs in replica_logs]
    if any(value is None for value in values):
        return None
    try:
        return [float(np.asarray(as_numpy(value), dtype=np.float64)) for value in values]
    except (TypeError, ValueError):
        return None


def _can_be_poisoned(leaf: Any) -> bool:
    import tensorflow as tf

    return tf.is_tensor(leaf) and leaf.dtype.is_floating and bool(leaf.shape.rank) and isinstance(leaf, tf.Tensor)


def _with_nan_first(leaf: Any) -> Any:
    import tensorflow as tf

    if not _can_be_poisoned(leaf):
        return leaf
    return tf.concat([tf.fill(tf.shape(leaf[:1]), tf.cast(np.nan, leaf.dtype)), leaf[1:]], axis=0)


def _is_float(dtype: Any) -> bool:
    return np.issubdtype(dtype, np.floating) or "float" in str(dtype)  # bfloat16 is no subtype of NumPy's
