"""An input pipeline of its own, in the form of a Task's data: what it is called with, and with which parameters."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Mapping
from typing import Any

from assay.conformance.harness.calls import calling
from assay.conformance.model.errors import NotApplicable, NotRun
from assay.conformance.model.subject import Subject

DEFAULT_BATCH_SIZE = 8
"""The global batch size of parameters that set none."""

FIELDS: Mapping[str, tuple[str, ...]] = {
    "is_training": ("is_training", "training", "train"),
    "global_batch_size": ("global_batch_size", "batch_size"),
    "drop_remainder": ("drop_remainder", "drop_last"),
    "seed": ("seed", "shuffle_seed"),
}
"""What a rule may vary, and the names that people give it."""

_CONTEXT_NAMES = ("input_context", "context", "ctx")
_ROLES = {
    "training": ("training", "train", "train_data"),
    "validation": ("validation", "evaluation", "eval", "test", "validation_data"),
}
_WRAP = (
    "Give a function of (params, input_context=None): "
    "`def make_dataset(params, input_context=None): return my_dataset(..., batch_size=params.global_batch_size)`."
)
_SAY_WHICH = (
    'Let the sample say what each is called with: {"training": params, "validation": other_params}. One of them is '
    "enough; rules about the other are then not applicable."
)


def simple_params(*, training: bool) -> types.SimpleNamespace:
    """Return the parameters of a pipeline that brings none of its own."""
    return types.SimpleNamespace(
        is_training=training, global_batch_size=DEFAULT_BATCH_SIZE, drop_remainder=training, seed=0
    )


class Pipeline:
    """A function that makes a dataset, with the methods and the configuration by which a Task's data is known.

    The function takes `(params, input_context=None)`, or only one of the two, or nothing, or the fields of simple
    parameters by name: `(is_training, batch_size, seed=None, input_context=None)`.

    Args:
      function: Makes the dataset.
      sample: Its parameters: one object for both roles, a mapping or pair with one for each, or an object with
        `train_data` and `validation_data`; None stands for simple ones.
      name: What messages call it.

    Attributes:
      name: What messages call it.
      task_config: Its own parameters, as `train_data` and `validation_data`; None where there are none.
      roles: The roles it has parameters for: `training`, `validation`.
      takes_context: Whether it can be told which of several pipelines it is.

    Raises:
      NotRun: If the function needs other arguments, or the sample does not say which role it is for.
    """

    def __init__(self, function: Callable[..., Any], sample: Any = None, *, name: str = "the pipeline") -> None:
        self.name = name
        self._function = function
        self._context_name, self._params_name, self._spread = _read_signature(function, name)
        self.takes_context = bool(self._context_name)
        own = _by_role(sample, name)
        if self._spread:
            own = {role: _spread_params(self._spread, training=role == "training") for role in own}
        elif not self._params_name and len(own) == len(_ROLES):
            own = {"training": None}  # one function without parameters makes one sort of data
        self.roles = frozenset(own)
        self.task_config = types.SimpleNamespace(train_data=own.get("training"), validation_data=own.get("validation"))

    def build_inputs(self, params: Any, input_context: Any = None) -> Any:
        """Call the function.

        Raises:
          NotApplicable: If there is an input context and the function takes none.
        """
        if input_context is not None and not self._context_name:
            raise NotApplicable(
                f"{self.name} takes no input_context: it makes the data of one input pipeline, in batches for all "
                "replicas."
            )
        arguments: dict[str, Any] = {} if input_context is None else {self._context_name: input_context}
        if self._spread:
            return self._function(**{name: getattr(params, name) for name in self._spread}, **arguments)
        if input_context is None and self._context_is_required:
            import tensorflow as tf

            arguments = {self._context_name: tf.distribute.InputContext()}
        return self._function(*([params] if self._params_name else []), **arguments)

    @property
    def _context_is_required(self) -> bool:
        parameter = inspect.signature(self._function).parameters.get(self._context_name)
        return parameter is not None and parameter.default is parameter.empty


def pipeline_of(subject: Subject) -> Any:
    """Return the input pipeline that a subject is, with `build_inputs`.

    Raises:
      NotRun: If it cannot be called.
      SubjectError: If its class, or the function that makes its sample, raises.
    """
    factory, sample = subject.factory, subject.sample
    if inspect.isclass(factory):
        with calling("the factory"):
            made = factory()
        function = getattr(made, "build_inputs", made)
        if not callable(function):
            raise NotRun(f"{subject.name} is a class without build_inputs or __call__.", remedy=_WRAP)
    else:
        function = factory
    if callable(sample) and not hasattr(sample, "__dataclass_fields__"):
        with calling("the function that makes the sample"):
            sample = sample()
    return Pipeline(function, sample, name=subject.name)


def _read_signature(function: Callable[..., Any], name: str) -> tuple[str, str, tuple[str, ...]]:
    """The names of the context and of the parameters, and the fields that are arguments of their own."""
    parameters = [
        parameter
        for parameter in inspect.signature(function).parameters.values()
        if parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    ]
    context = next((p.name for p in parameters if p.name in _CONTEXT_NAMES or "InputContext" in str(p.annotation)), "")
    others = [parameter for parameter in parameters if parameter.name != context]
    known = [one for names in FIELDS.values() for one in names]
    spread = tuple(parameter.name for parameter in others if parameter.name in known)
    required = [parameter.name for parameter in others if parameter.default is parameter.empty]
    if spread and others[0].name in known:
        surplus = [one for one in required if one not in known]
    else:
        spread = ()
        surplus = required[1:]
    if surplus:
        raise NotRun(f"{name} needs the arguments {', '.join(required)}.", remedy=_WRAP)
    positional = [parameter.name for parameter in others if parameter.kind is not parameter.KEYWORD_ONLY]
    takes_params = bool(required) or "params" in positional[:1]
    return context, positional[0] if positional and takes_params and not spread else "", spread


def _by_role(sample: Any, name: str) -> dict[str, Any]:
    """The parameters for each role; None stands for simple ones."""
    if sample is None:
        return dict.fromkeys(_ROLES)
    if isinstance(sample, tuple) and len(sample) == len(_ROLES) and not hasattr(sample, "_fields"):
        return dict(zip(_ROLES, sample, strict=True))
    if isinstance(sample, Mapping):
        found = {role: sample[key] for role, keys in _ROLES.items() for key in keys if key in sample}
        if found and len(found) == len(sample):
            return found
    elif any(getattr(sample, key, None) is not None for key in ("train_data", "validation_data")):
        both = {"training": getattr(sample, "train_data", None), "validation": getattr(sample, "validation_data", None)}
        return {role: params for role, params in both.items() if params is not None}
    if find_field(sample, "is_training") is None:
        raise NotRun(
            f"The parameters of {name} do not say whether they are for training: a {type(sample).__name__} without "
            "is_training.",
            remedy=_SAY_WHICH,
        )
    return dict.fromkeys(_ROLES, sample)


def _spread_params(names: tuple[str, ...], *, training: bool) -> types.SimpleNamespace:
    """Simple parameters under the names that a function gives them."""
    simple = simple_params(training=training)
    meant = {alias: field for field, aliases in FIELDS.items() for alias in aliases}
    return types.SimpleNamespace(**{name: getattr(simple, meant[name]) for name in names})


def find_field(params: Any, name: str) -> str | None:
    """Return what parameters (an object or a mapping) call a field: `batch_size` for `global_batch_size`, or None."""
    for alias in FIELDS.get(name, (name,)):
        if alias in params if isinstance(params, Mapping) else hasattr(params, alias):
            return alias
    return None


def read_field(params: Any, name: str) -> Any:
    """Return the value of a field of parameters, whatever they call it; None when they lack it."""
    found = find_field(params, name)
    if found is None:
        return None
    return params[found] if isinstance(params, Mapping) else getattr(params, found)
