"""The kinds of component that the suite knows, and how a subject's kind is inferred from what it offers."""

from __future__ import annotations

import enum
from typing import Any

from assay.conformance.model.errors import UsageError
from assay.conformance.suggestions import did_you_mean


class Kind(enum.StrEnum):
    """What sort of component a subject is; each kind has its own letter in rule ids and its own folder of rules."""

    LOSS = "loss"
    KERAS_METRIC = "keras_metric"
    PYTHON_METRIC = "python_metric"
    SUMMARY_MANAGER = "summary_manager"
    TASK = "task"
    INPUT_PIPELINE = "input_pipeline"

    @property
    def letter(self) -> str:
        """The first letter of the ids of this kind's rules."""
        return _LETTERS[self]

    @property
    def heading(self) -> str:
        """The kind's name as a heading: `Input pipeline`."""
        return self.value.replace("_", " ").capitalize()

    @property
    def promised(self) -> tuple[Kind, ...]:
        """The kinds whose rules a subject of this kind answers to: a Task brings its own input pipeline."""
        return (Kind.TASK, Kind.INPUT_PIPELINE) if self is Kind.TASK else (self,)


_LETTERS = {
    Kind.LOSS: "L",
    Kind.KERAS_METRIC: "K",
    Kind.PYTHON_METRIC: "H",
    Kind.SUMMARY_MANAGER: "S",
    Kind.TASK: "T",
    Kind.INPUT_PIPELINE: "I",
}

_TASK_METHODS = ("build_model", "build_inputs", "train_step", "validation_step")
_METRIC_METHODS = ("update_state", "result")


def infer_kind(thing: Any) -> Kind | None:
    """Infer the kind of a component, or of the class of one, from the methods that it has.

    Args:
      thing: A component, or a class that makes components.

    Returns:
      The kind, or None when the methods do not decide it. A bare function is never decided: it may be a loss or an
      input pipeline.
    """
    if all(hasattr(thing, name) for name in _TASK_METHODS):
        return Kind.TASK
    if hasattr(thing, "write_summaries"):
        return Kind.SUMMARY_MANAGER
    if all(hasattr(thing, name) for name in _METRIC_METHODS):
        keras_like = hasattr(thing, "add_weight") or hasattr(thing, "variables")
        return Kind.KERAS_METRIC if keras_like else Kind.PYTHON_METRIC
    if hasattr(thing, "reduction") or any(
        base.__name__ == "Loss" for base in getattr(thing, "__mro__", type(thing).__mro__)
    ):
        return Kind.LOSS
    return None


def parse_kind(name: str) -> Kind:
    """Return the kind of a name; hyphens do for underscores.

    Raises:
      UsageError: If there is none; the message suggests the nearest.
    """
    wanted = name.strip().casefold().replace("-", "_")
    if wanted not in {kind.value for kind in Kind}:
        raise UsageError(f"There is no kind {name!r}; {did_you_mean(wanted, [kind.value for kind in Kind])}.")
    return Kind(wanted)
