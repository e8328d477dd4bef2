"""What a train step depends on beside its batch and the variables of the checkpoint."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness.calls import calling
from assay.conformance.harness.tasks.batches import first_batch
from assay.conformance.harness.tasks.build import Build, build_task
from assay.conformance.harness.tasks.optimizers import optimizer_variables
from assay.conformance.harness.tasks.persistence.checkpoints import checkpoint_of
from assay.conformance.harness.tasks.persistence.operations import host_operations, random_operations
from assay.conformance.harness.tasks.snapshots import model_variables
from assay.conformance.harness.values import as_numpy
from assay.conformance.model.vocabulary import Mode

MOMENTUM = 0.9


@dataclasses.dataclass(frozen=True)
class HiddenState:
    """What a traced train step reads and no checkpoint holds.

    Attributes:
      random: Its operations that draw from TensorFlow's stateful generator.
      variables: The variables that it changes and that are neither the model's, the optimizer's nor a metric's.
      host: Its operations that call Python.
    """

    random: tuple[str, ...]
    variables: tuple[str, ...]
    host: tuple[str, ...]


def hidden_state(ctx: Context) -> HiddenState:
    """Trace a train step, run it once and look at what it depends on; shared.

    Raises:
      SubjectError: If the step raises.
    """

    def look() -> HiddenState:
        import tensorflow as tf

        build = build_task(ctx, mode=Mode.GRAPH, momentum=MOMENTUM)

        @tf.function
        def step(batch: Any) -> None:
            build.task.train_step(batch, build.model, build.optimizer, metrics=list(build.train_metrics))

        batch = first_batch(ctx)
        with build.placed(), calling("train_step, traced"):
            graph = step.get_concrete_function(batch).graph
            lost = _variables_beside_the_checkpoint(build, graph)
            before = [as_numpy(variable) for variable in lost]
            step(batch)
        moved = [
            _attribute_with(build.task, variable) or variable.name.partition(":")[0]
            for variable, value in zip(lost, before, strict=True)
            if not np.array_equal(as_numpy(variable), value)
        ]
        return HiddenState(tuple(random_operations(graph)), tuple(moved), tuple(host_operations(graph)))

    return ctx.share("hidden state of the train step", look)


def replica_local(build: Build) -> list[str]:
    """Return the names of the model's variables of which replicas hold different values."""
    found = []
    for variable in _variables_in(build.model):
        values = [as_numpy(one) for one in build.strategy.experimental_local_results(variable)]
        if any(not np.array_equal(values[0], value) for value in values[1:]):
            found.append(str(variable.name).partition(":")[0])
    return found


def _variables_beside_the_checkpoint(build: Build, graph: Any) -> list[Any]:
    known = itertools.chain(
        _variables_in(checkpoint_of(build)),
        _variables_in(build.model),
        map(_inner, optimizer_variables(build.optimizer)),
    )
    ids = set(map(id, known))
    return [variable for variable in graph.variables if id(variable) not in ids]


def _variables_in(root: Any) -> list[Any]:
    """The TensorFlow variables that a checkpoint of an object holds, and those that a model counts as its own."""
    import tensorflow as tf

    tracked = tf.train.TrackableView(root).descendants()
    counted = model_variables(root) if hasattr(root, "trainable_variables") else []
    found = {id(one): one for one in map(_inner, [*tracked, *counted]) if isinstance(one, tf.Variable)}
    return list(found.values())


def _inner(variable: Any) -> Any:
    """The TensorFlow variable inside a variable of Keras 3; anything else as it is."""
    value = getattr(variable, "value", None)
    return variable if value is None or callable(value) else value


def _attribute_with(task: Any, variable: Any) -> str:
    """The attribute of the Task that is a variable, or holds it, as `self.generator`; empty when there is none."""
    for name, value in getattr(task, "__dict__", {}).items():
        held = (value, getattr(value, "value", None), getattr(value, "state", None), *_listed(value))
        if any(part is variable for part in held):
            return f"self.{name}"
    return ""


def _listed(value: Any) -> list[Any]:
    variables = getattr(value, "variables", None)
    found = list(variables) if isinstance(variables, list | tuple) else []
    return found + [part for one in found if (part := getattr(one, "value", None)) is not None]
