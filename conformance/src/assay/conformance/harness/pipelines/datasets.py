"""Data of a Task: the parameters that `build_inputs` is called with, and the dataset it returns."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Mapping
from typing import Any

from assay.conformance.harness.calls import calling
from assay.conformance.harness.pipelines.pipeline import DEFAULT_BATCH_SIZE as DEFAULT_BATCH_SIZE
from assay.conformance.harness.pipelines.pipeline import Pipeline, find_field, read_field, simple_params
from assay.conformance.model.errors import NotApplicable


def data_params(task: Any, *, training: bool, **overrides: Any) -> Any:
    """Return the parameters for `build_inputs`: the Task's own with what a rule varies overridden, or simple ones.

    A Task that has `task_config.train_data` and `task_config.validation_data` is given a copy of those, unlocked or
    unfrozen where that is needed; an override of a field that its configuration lacks is left out, and a batch size
    that is not set becomes `DEFAULT_BATCH_SIZE`. Any other Task is given an object with `is_training`,
    `global_batch_size`, `drop_remainder` and `seed`.

    Args:
      task: The Task, or a `Pipeline`.
      training: Whether the data is for training.
      **overrides: Fields to set: `global_batch_size=3, drop_remainder=False`.

    Raises:
      NotApplicable: If a pipeline of its own has parameters for the other role only.
    """
    role = "training" if training else "validation"
    if isinstance(task, Pipeline) and role not in task.roles:
        raise NotApplicable(f"{task.name} makes no {role} data, by its sample or its arguments.")
    config = getattr(task, "task_config", None)
    own = _field(config, "train_data" if training else "validation_data")
    if own is None:
        simple = simple_params(training=training)
        vars(simple).update(overrides)
        return simple
    if isinstance(task, Pipeline):  # one object may stand for both roles
        overrides = {"is_training": training, **overrides}
    if not read_field(own, "global_batch_size"):  # configurations that leave it to the experiment say 0 or None
        overrides = {"global_batch_size": DEFAULT_BATCH_SIZE, **overrides}
    return _changed_copy(own, overrides)


def has_own_field(task: Any, name: str, *, training: bool) -> bool:
    """Whether parameters for `build_inputs` hold a field: those of the Task's own, or simple ones."""
    return find_field(data_params(task, training=training), name) is not None


def build_dataset(
    task: Any,
    params: Any,
    *,
    num_input_pipelines: int = 1,
    input_pipeline_id: int = 0,
    num_replicas_in_sync: int | None = None,
) -> Any:
    """Return `task.build_inputs(params, input_context)`, or what an input pipeline of its own returns.

    Args:
      task: The Task, a `Pipeline`, or a function of `(params, input_context)`.
      params: What `data_params` returned.
      num_input_pipelines: Over how many pipelines the data is sharded; with one, no input context is passed unless
        `num_replicas_in_sync` is given.
      input_pipeline_id: Which of them this one is.
      num_replicas_in_sync: How many replicas share the global batch; as many as there are pipelines when None.

    Raises:
      SubjectError: If `build_inputs` raises.
      NotApplicable: If there is an input context, and a pipeline of its own takes none.
    """
    import tensorflow as tf

    build_inputs = getattr(task, "build_inputs", task)
    name = task.name if isinstance(task, Pipeline) else "build_inputs"
    if num_input_pipelines == 1 and num_replicas_in_sync is None:
        with calling(f"{name}(params)"):
            return build_inputs(params)
    replicas = num_replicas_in_sync or num_input_pipelines
    context = tf.distribute.InputContext(
        num_input_pipelines=num_input_pipelines, input_pipeline_id=input_pipeline_id, num_replicas_in_sync=replicas
    )
    several = f"for pipeline {input_pipeline_id} of {num_input_pipelines}"
    with calling(
        f"{name}(params, input_context) {several if num_replicas_in_sync is None else f'for {replicas} replicas'}"
    ):
        return build_inputs(params, context)


def _field(config: Any, name: str) -> Any:
    """A field of a configuration that is an object or a mapping, or None."""
    return config.get(name) if isinstance(config, Mapping) else getattr(config, name, None)


def _changed_copy(params: Any, overrides: Mapping[str, Any]) -> Any:
    """A deep copy of a configuration with some fields changed, whatever kind of object it is."""
    named = {find_field(params, name): value for name, value in overrides.items()}
    present = {name: value for name, value in named.items() if name is not None}
    if isinstance(params, Mapping):
        return {**copy.deepcopy(dict(params)), **present}
    if callable(getattr(params, "replace", None)):  # configurations that lock: `replace` gives an unlocked copy
        return params.replace(**copy.deepcopy(present))
    if dataclasses.is_dataclass(params) and not isinstance(params, type):
        return dataclasses.replace(copy.deepcopy(params), **present)
    changed = copy.deepcopy(params)
    for name, value in present.items():
        object.__setattr__(changed, name, value)
    return changed
