"""One step taken again and again on one batch from the same weights: what varies between calls is not in the model."""

from __future__ import annotations

import dataclasses
import pickle
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness.calls import calling
from assay.conformance.harness.flavour import layers_of, set_random_seed
from assay.conformance.harness.tasks.batches import training_batches, validation_batches
from assay.conformance.harness.tasks.build import Build
from assay.conformance.harness.tasks.comparable import comparable_build
from assay.conformance.harness.tasks.runs import DEFAULT_STEPS
from assay.conformance.harness.tasks.snapshots import assign_values, model_variables
from assay.conformance.harness.tasks.steps import Stepper
from assay.conformance.harness.values import as_numpy
from assay.conformance.model.vocabulary import Mode
from assay.conformance.tolerances import Tolerance

CALLS = 4

Values = Mapping[str, np.ndarray]
_PLAIN = (bool, int, float, str, np.number, np.bool_)
_GENERATORS = (np.random.Generator, np.random.RandomState, random.Random)


@dataclasses.dataclass(frozen=True)
class Repeats:
    """What came of calling a step several times on one batch, the model's variables put back before each call.

    Attributes:
      results: For each call, the numbers it logged and the variables it left, by name.
      attributes: The Task's and the layers' plain Python attributes after each call, and before the first.
      generators: Whether each random generator of the host moved after the first call, by what it is called.
    """

    results: Sequence[Values]
    attributes: Sequence[Mapping[str, str]]
    generators: Mapping[str, bool]

    def varying(self, tolerance: Tolerance) -> list[str]:
        """Return the names of what differs between calls, relative to the largest number of its array."""
        first = self.results[0]
        return [name for name in first if any(_apart(one.get(name), first[name], tolerance) for one in self.results)]


def repeat_step(
    ctx: Context, mode: Mode, *, training: bool, calls: int = CALLS, before: Callable[[int], None] | None = None
) -> Repeats:
    """Call `train_step` or `validation_step` several times on one batch from the same weights.

    Random layers are switched off. Random numbers start from the seed once, before the first call.

    Args:
      ctx: The check's context.
      mode: The mode.
      training: Whether it is the train step.
      calls: How many calls.
      before: Called with the number of each call, before it.

    Raises:
      SubjectError: If the step raises.
    """
    build = comparable_build(ctx, mode=mode)
    variables = model_variables(build.model)
    start = [as_numpy(variable) for variable in variables]
    names = build.names("model", variables)
    batch = (training_batches(ctx, DEFAULT_STEPS) if training else validation_batches(ctx))[0]
    stepper = _stepper(build, training=training)
    results: list[Values] = []
    attributes = [dict(_attributes(build))]
    states = {}
    set_random_seed(build.seed)
    for number in range(calls):
        assign_values(variables, start)
        if before is not None:
            before(number)
        if number == 1:
            states = dict(_generator_states(build))
        logs = stepper(batch)[0]
        moved = {
            name: as_numpy(variable).astype(np.float64) - value
            for name, variable, value in zip(names, variables, start, strict=True)
            if np.issubdtype(value.dtype, np.floating)
        }
        results.append({**dict(_numbers(logs)), **moved})
        attributes.append(dict(_attributes(build)))
    now = dict(_generator_states(build))
    return Repeats(results, attributes, {name: now.get(name) != state for name, state in states.items()})


def _apart(one: np.ndarray | None, other: np.ndarray, tolerance: Tolerance) -> bool:
    if one is None or one.shape != other.shape:
        return True
    largest = float(np.max(np.abs(other), initial=0.0))
    allowed = tolerance.absolute + tolerance.relative * (largest if np.isfinite(largest) else 0.0)
    return not np.allclose(one, other, rtol=0.0, atol=allowed, equal_nan=True)


def _stepper(build: Build, *, training: bool) -> Stepper:
    def train(batch: Any) -> Any:
        return build.task.train_step(batch, build.model, build.optimizer, metrics=list(build.train_metrics))

    def validate(batch: Any) -> Any:
        return build.task.validation_step(batch, build.model, metrics=list(build.validation_metrics))

    return Stepper(build, train if training else validate, name="train_step" if training else "validation_step")


def _numbers(logs: Any) -> Iterator[tuple[str, np.ndarray]]:
    """The floating-point leaves of the logs, by name; metrics count on from call to call and are none of them."""
    for key, value in logs.items() if isinstance(logs, Mapping) else ():
        if hasattr(value, "dtype") and hasattr(value, "shape"):
            array = as_numpy(value)
            if array.dtype.kind == "f":
                yield f"logs[{key!r}]", array.astype(np.float64)


def _attributes(build: Build) -> Iterator[tuple[str, str]]:
    """The plain values that the Task, the model and its layers keep in attributes, as text."""
    owners = [("the Task's", build.task), ("the model's", build.model)]
    owners += [(f"{layer.name}'s", layer) for layer in layers_of(build.model) if layer is not build.model]
    for label, owner in owners:
        for name, value in list(getattr(owner, "__dict__", {}).items()):
            if isinstance(value, _PLAIN):
                yield f"{label} {name}", str(value)


def _generator_states(build: Build) -> Iterator[tuple[str, bytes]]:
    """The states of the random generators of the host: NumPy's and Python's own, and those in attributes."""
    with calling("reading random states"):
        yield "np.random", pickle.dumps(np.random.get_state())  # noqa: NPY002 - the global one is what steps draw from
        yield "random", pickle.dumps(random.getstate())
        for label, owner in (("the Task's", build.task), ("the model's", build.model)):
            for name, value in list(getattr(owner, "__dict__", {}).items()):
                if isinstance(value, _GENERATORS):
                    yield f"{label} {name}", pickle.dumps(value)
