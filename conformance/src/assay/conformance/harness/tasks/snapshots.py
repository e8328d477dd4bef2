"""Snapshots of variables by stable names, and what changed between two of them."""

from __future__ import annotations

import dataclasses
import fnmatch
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from assay.conformance.harness.tasks.optimizers import optimizer_variables
from assay.conformance.harness.values import as_numpy

_NAMED_AT_MOST = 4
_ITERATIONS = ("iteration", "iterations", "iter")


@dataclasses.dataclass(frozen=True)
class Snapshot:
    """The values of a build's variables at one moment.

    Names are those of the variables in the subject's first build with their position in front (`02 dense/kernel`), so
    that two builds of the same Task have the same names although Keras numbers its layers through the process.

    Attributes:
      model: The model's variables.
      trainable: The names, within `model`, of the trainable ones.
      optimizer: The optimizer's variables: iterations, learning rate and slots.
      train_metrics: The state of the training metrics.
      validation_metrics: The state of the validation metrics.
    """

    model: Mapping[str, np.ndarray]
    trainable: tuple[str, ...]
    optimizer: Mapping[str, np.ndarray]
    train_metrics: Mapping[str, np.ndarray]
    validation_metrics: Mapping[str, np.ndarray]

    @property
    def weights(self) -> dict[str, np.ndarray]:
        """The trainable variables."""
        return {name: self.model[name] for name in self.trainable}

    @property
    def statistics(self) -> dict[str, np.ndarray]:
        """The model's other variables: moving statistics, frozen weights, states of random generators."""
        return {name: value for name, value in self.model.items() if name not in self.trainable}


def snapshot(build: Any) -> Snapshot:
    """Return the values of all variables of a `Build`."""
    variables = model_variables(build.model)
    names = build.names("model", variables)
    trainable = {id(variable) for variable in build.model.trainable_variables}
    return Snapshot(
        model={name: as_numpy(variable) for name, variable in zip(names, variables, strict=True)},
        trainable=tuple(name for name, variable in zip(names, variables, strict=True) if id(variable) in trainable),
        optimizer=_values(build, "optimizer", optimizer_variables(build.optimizer)),
        train_metrics=metric_state(build, build.train_metrics),
        validation_metrics=metric_state(build, build.validation_metrics),
    )


def metric_state(build: Any, metrics: Sequence[Any]) -> dict[str, np.ndarray]:
    """Return the values of the variables of some metrics of a `Build`, by the metric's name and the variable's."""
    return {
        f"{metric.name}/{name}": value
        for metric in metrics
        for name, value in _values(build, f"metric {metric.name}", list(getattr(metric, "variables", ()))).items()
    }


def model_variables(model: Any) -> list[Any]:
    """Return the variables of a Keras model or a `tf.Module`, each once."""
    found: list[Any] = []
    for variable in [*model.variables, *model.trainable_variables]:
        if not any(variable is known for known in found):
            found.append(variable)
    return found


def assign_values(variables: Sequence[Any], values: Iterable[np.ndarray]) -> None:
    """Assign values to variables, one by one."""
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def changed_names(
    before: Mapping[str, np.ndarray], after: Mapping[str, np.ndarray], *, relative: float = 0.0, absolute: float = 0.0
) -> list[str]:
    """Return the names whose values differ by more than the tolerance, and those that only one side has."""
    names = [*before, *(name for name in after if name not in before)]
    return [
        name
        for name in names
        if name not in before
        or name not in after
        or before[name].shape != after[name].shape
        or not np.allclose(after[name], before[name], rtol=relative, atol=absolute, equal_nan=True)
    ]


def describe_changes(before: Mapping[str, np.ndarray], after: Mapping[str, np.ndarray], names: Sequence[str]) -> str:
    """Return `2 of 6 variables differ: dense/kernel by up to 0.031, dense/bias by up to 0.002`."""
    parts = [f"{name.partition(' ')[2]} by up to {_distance(before, after, name)}" for name in names[:_NAMED_AT_MOST]]
    more = "" if len(names) <= _NAMED_AT_MOST else f" and {len(names) - _NAMED_AT_MOST} more"
    verb = "differs" if len(names) == 1 else "differ"
    return f"{len(names)} of {len(before)} variables {verb}: {', '.join(parts)}{more}"


def plain_name(name: str) -> str:
    """Return a variable's own name, without the position that makes it stable: `dense/kernel` of `02 dense/kernel`."""
    position, _, rest = name.partition(" ")
    return rest if position.isdigit() and rest else name


def list_names(names: Iterable[str]) -> str:
    """Return `dense/kernel, dense/bias and 3 more`."""
    plain = [plain_name(name) for name in names]
    more = len(plain) - _NAMED_AT_MOST
    return ", ".join(plain[:_NAMED_AT_MOST]) + (f" and {more} more" if more > 0 else "")


def matches_any(name: str, patterns: Iterable[str]) -> bool:
    """Whether a variable's name matches one of the patterns, as in a shell; `*/codebook` matches `codebook` too."""
    plain = plain_name(name)
    return any(fnmatch.fnmatchcase(candidate, p) for p in patterns for candidate in (plain, f"/{plain}"))


def counted_updates(before: Snapshot, after: Snapshot) -> int:
    """Return by how much `optimizer.iterations` moved between two snapshots."""
    name = next(name for name in before.optimizer if plain_name(name).endswith(_ITERATIONS))
    return int(after.optimizer[name]) - int(before.optimizer[name])


def variable_names(variables: Sequence[Any]) -> list[str]:
    """Return a stable name for each variable: its position, then Keras' path or TensorFlow's name."""
    return [f"{index:02d} {_plain_name(variable)}" for index, variable in enumerate(variables)]


def _plain_name(variable: Any) -> str:
    name = getattr(variable, "path", None) or variable.name
    return name.partition(":")[0]


def _values(build: Any, group: str, variables: Sequence[Any]) -> dict[str, np.ndarray]:
    names = build.names(group, variables)
    return {name: as_numpy(variable) for name, variable in zip(names, variables, strict=True)}


def _distance(before: Mapping[str, np.ndarray], after: Mapping[str, np.ndarray], name: str) -> str:
    if name not in before or name not in after:
        return "(only one side has it)"
    if before[name].shape != after[name].shape:
        return f"(shapes {before[name].shape} and {after[name].shape})"
    difference = np.abs(after[name].astype(np.float64) - before[name].astype(np.float64))
    return f"{np.max(difference, initial=0.0):.3g}"
