"""Data of a Task: the parameters that `build_inputs` is called with, and the dataset it returns."""

from __future__ import annotations

import copy
import dataclasses
import types
from collections.abc import Mapping
from typing import Any

from assay.conformance.harness.calls import calling

DEFAULT_BATCH_SIZE = 8
"""The global batch size of a Task that has no configuration of its own, or sets none there."""


def data_params(task: Any, *, training: bool, **overrides: Any) -> Any:
    """Return the parameters for `build_inputs`: the Task's own with what a rule varies overridden, or simple ones.

    A Task that has `task_config.train_data` and `task_config.validation_data` is given a copy of those, unlocked or
    unfrozen where that is needed; an override of a field that its configuration lacks is left out, and a batch size
    that is not set becomes `DEFAULT_BATCH_SIZE`. Any other Task is given an object with `is_training`,
    `global_batch_size`, `drop_remainder` and `seed`.

    Args:
      task: The Task.
      training: Whether the data is for training.
      **overrides: Fields to set: `global_batch_size=3, drop_remainder=False`.
    """
    config = getattr(task, "task_config", None)
    own = _field(config, "train_data" if training else "validation_data")
    if own is None:
        simple: dict[str, Any] = {
            "is_training": training,
            "global_batch_size": DEFAULT_BATCH_SIZE,
            "drop_remainder": training,
            "seed": 0,
        }
        return types.SimpleNamespace(**{**simple, **overrides})
    if not _field(own, "global_batch_size"):  # configurations that leave it to the experiment say 0 or None
        overrides = {"global_batch_size": DEFAULT_BATCH_SIZE, **overrides}
    return _changed_copy(own, overrides)


def build_dataset(task: Any, params: Any, *, num_input_pipelines: int = 1, input_pipeline_id: int = 0) -> Any:
    """Return `task.build_inputs(params, input_context)`, or what an input pipeline of its own returns.

    Args:
      task: The Task, or a function of `(params, input_context)`.
      params: What `data_params` returned.
      num_input_pipelines: Over how many pipelines the data is sharded; with one, no input context is passed.
      input_pipeline_id: Which of them this one is.

    Raises:
      SubjectError: If `build_inputs` raises.
    """
    import tensorflow as tf

    build_inputs = getattr(task, "build_inputs", task)
    if num_input_pipelines == 1:
        with calling("build_inputs(params)"):
            return build_inputs(params)
    context = tf.distribute.InputContext(
        num_input_pipelines=num_input_pipelines,
        input_pipeline_id=input_pipeline_id,
        num_replicas_in_sync=num_input_pipelines,
    )
    with calling(f"build_inputs(params, input_context) for pipeline {input_pipeline_id} of {num_input_pipelines}"):
        return build_inputs(params, context)


def _field(config: Any, name: str) -> Any:
    """A field of a configuration that is an object or a mapping, or None."""
    return config.get(name) if isinstance(config, Mapping) else getattr(config, name, None)


def _changed_copy(params: Any, overrides: Mapping[str, Any]) -> Any:
    """A deep copy of a configuration with some fields changed, whatever kind of object it is."""
    if isinstance(params, Mapping):
        return {**copy.deepcopy(dict(params)), **{k: v for k, v in overrides.items() if k in params}}
    present = {name: value for name, value in overrides.items() if hasattr(params, name)}
    if callable(getattr(params, "replace", None)):  # configurations that lock: `replace` gives an unlocked copy
        return params.replace(**copy.deepcopy(present))
    if dataclasses.is_dataclass(params) and not isinstance(params, type):
        return dataclasses.replace(copy.deepcopy(params), **present)
    changed = copy.deepcopy(params)
    for name, value in present.items():
        object.__setattr__(changed, name, value)
    return changed
