"""Importing subjects: `package.module:attr` or `path/file.py:attr`, and what the attribute may be."""

from __future__ import annotations

import dataclasses
import importlib
import importlib.util
import inspect
import json
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from assay.conformance.model.errors import UsageError
from assay.conformance.model.kinds import Kind, infer_kind
from assay.conformance.model.subject import Subject
from assay.conformance.suggestions import did_you_mean

_SIDES = 2
"""How many arguments a loss function needs: labels and predictions."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class SubjectSpec:
    """What a command line or a project file says about subjects; nothing is imported before `load`.

    Attributes:
      spec: `package.module:attr` or `path/file.py:attr`.
      kind: The kind, when it is said.
      sample: `module:attr` of a function that returns a sample; a sample of the subject's own when None.
      traits: Traits to declare on top of the subject's own.
      name: What reports call it; its own name when empty.
      folder: What paths are relative to; the working directory when None.
    """

    spec: str
    kind: str | None = None
    sample: str | None = None
    traits: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    name: str = ""
    folder: Path | None = None

    def load(self) -> list[Subject]:
        """Import the subjects.

        Raises:
          UsageError: If the subject or its sample cannot be imported or made.
        """
        subjects = load_subjects(
            self.spec,
            kind=Kind(self.kind) if self.kind else None,
            sample=None if self.sample is None else load_sample(self.sample, folder=self.folder),
            traits=self.traits,
            folder=self.folder,
        )
        return [subject.replace(name=self.name or subject.name, options=self.options) for subject in subjects]

    @property
    def options(self) -> tuple[str, ...]:
        """What it takes on the command line besides the specification, to name the same subjects."""
        sample = () if self.sample is None else ("--sample", self.sample)
        traits = [text for name, value in self.traits.items() for text in ("--trait", f"{name}={json.dumps(value)}")]
        return (*sample, *traits)


def load_sample(spec: str, *, folder: Path | None = None) -> Any:
    """Return the sample that the function makes that a specification names.

    Raises:
      UsageError: If the function cannot be imported or called without arguments, or raises.
    """
    function = load_attribute(spec, folder=folder)
    if not callable(function):
        raise UsageError(f"The sample {spec} must be a function that returns one; it is a {type(function).__name__}.")
    try:
        return function()
    except Exception as exception:
        raise UsageError(f"Calling {spec} for a sample raised {_summary(exception)}.") from exception


def load_subjects(
    spec: str,
    *,
    kind: Kind | None = None,
    sample: Any = None,
    traits: Mapping[str, Any] | None = None,
    folder: Path | None = None,
) -> list[Subject]:
    """Import what a specification names, as subjects.

    Args:
      spec: `package.module:attr` or `path/file.py:attr`; the attribute is a zero-argument factory (a class or a
        function), a `Subject`, or a list of them.
      kind: The kind, when the caller says so.
      sample: A sample for subjects that bring none.
      traits: Traits to declare on top of the subject's own.
      folder: What paths are relative to, and where modules are looked for; the working directory when None.

    Raises:
      UsageError: If it cannot be imported, or is none of these; one sentence says which.
    """
    value = load_attribute(spec, folder=folder)
    entries = list(value) if isinstance(value, list | tuple) else [value]
    if not entries:
        raise UsageError(f"{spec} is an empty list: there is nothing to check.")
    several = len(entries) > 1
    return [
        _as_subject(
            entry, spec=spec, name=spec.partition(":")[2] + (f"[{index}]" if several else ""),
            kind=kind, sample=sample, traits=traits,
        )
        for index, entry in enumerate(entries)
    ]  # fmt: skip


def load_attribute(spec: str, *, folder: Path | None = None) -> Any:
    """Import the attribute that `package.module:attr` or `path/file.py:attr` names.

    Raises:
      UsageError: If the specification has another form, or the module, file or attribute is not there, or importing it
        raises.
    """
    where, attribute = split_spec(spec)
    folder = folder or Path.cwd()
    module = _load_file(folder / where, spec) if where.endswith(".py") else _load_module(where, spec, folder)
    value: Any = module
    for name in attribute.split("."):
        if not hasattr(value, name):
            public = [known for known in vars(value) if not known.startswith("_")] if hasattr(value, "__dict__") else []
            raise UsageError(f"{where} has no attribute {name!r}; {did_you_mean(name, public)}.")
        value = getattr(value, name)
    return value


def split_spec(spec: str) -> tuple[str, str]:
    """Return the module or file, and the attribute, that a specification names; nothing is imported.

    Raises:
      UsageError: If it has another form.
    """
    where, colon, attribute = spec.partition(":")
    if not colon or not where or not attribute:
        raise UsageError(f"{spec!r} is neither package.module:attr nor path/file.py:attr.")
    return where, attribute


def kind_of(subject: Subject) -> Kind:
    """Return the kind of a subject: the declared one, or what its factory's class or product looks like.

    A function of two arguments is no factory but a loss itself, `f(y_true, y_pred)`, and an object that can be called
    with two is a loss. A function of `(params, input_context)` is an input pipeline itself.

    Raises:
      UsageError: If it cannot be told; the remedy is to say it.
    """
    known = subject.kind or (infer_kind(subject.factory) if inspect.isclass(subject.factory) else None)
    if known is not None:
        return known
    if _takes_summary_dir(subject.factory):
        return Kind.SUMMARY_MANAGER
    if not inspect.isclass(subject.factory) and _takes_data_params(subject.factory):
        return Kind.INPUT_PIPELINE
    if not inspect.isclass(subject.factory) and len(_required_arguments(subject.factory)) == _SIDES:
        return Kind.LOSS
    try:
        product = subject.factory()
    except Exception as exception:
        raise UsageError(
            f"The kind of {subject.name} cannot be told, because calling it raised {_summary(exception)}; "
            "mend that, or say the kind (--kind)."
        ) from exception
    inferred = infer_kind(product)
    if inferred is None and (hasattr(product, "build_inputs") or (callable(product) and _takes_data_params(product))):
        return Kind.INPUT_PIPELINE
    if inferred is None and callable(product) and len(_required_arguments(product)) == _SIDES:
        return Kind.LOSS
    if inferred is None:
        kinds = ", ".join(Kind)
        raise UsageError(
            f"The kind of {subject.name} cannot be told: it makes a {type(product).__name__}; say which of "
            f"{kinds} it is (--kind)."
        )
    return inferred


def _as_subject(
    value: Any, *, spec: str, name: str, kind: Kind | None, sample: Any, traits: Mapping[str, Any] | None
) -> Subject:
    """Make a subject of an imported value, with what the caller adds."""
    if not isinstance(value, Subject):
        if not callable(value):
            raise UsageError(
                f"{spec} is of type {type(value).__name__}; it must be a zero-argument factory, a Subject, or a list "
                "of them."
            )
        required = [] if _takes_summary_dir(value) else _required_arguments(value)
        if required and kind in (None, Kind.TASK) and (inspect.isclass(value) or kind is Kind.TASK):
            raise UsageError(
                f"{spec} needs the arguments {', '.join(required)}; give a factory that takes none, such as a function "
                "that returns it with small settings."
            )
        value = Subject(value, name=name)
    return value.replace(
        origin=spec,
        kind=kind or value.kind,
        sample=value.sample if sample is None else sample,
        traits={**value.traits, **(traits or {})},
    )


def _takes_summary_dir(factory: Any) -> bool:
    """Whether a factory takes what those of summary managers are given."""
    try:
        return "summary_dir" in inspect.signature(factory).parameters
    except (TypeError, ValueError):
        return False


def _takes_data_params(function: Any) -> bool:
    """Whether a function is called as `build_inputs` of a Task is: with `params`, an `input_context`, or both."""
    try:
        names = list(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return False
    return "input_context" in names or _required_arguments(function) == ["params"]


def _required_arguments(factory: Any) -> list[str]:
    try:
        parameters = inspect.signature(factory).parameters.values()
    except (TypeError, ValueError):
        return []
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [p.name for p in parameters if p.default is p.empty and p.kind in (*positional, p.KEYWORD_ONLY)]


def _load_module(name: str, spec: str, folder: Path) -> ModuleType:
    _find_modules_in(folder)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as exception:
        if exception.name is not None and (name == exception.name or name.startswith(f"{exception.name}.")):
            raise UsageError(
                f"There is no module {exception.name!r} to import {spec} from (looked in {folder} and on the path)."
            ) from exception
        raise UsageError(f"Importing {name} raised {_summary(exception)}.") from exception
    except (Exception, SystemExit) as exception:
        raise UsageError(f"Importing {name} raised {_summary(exception)}.") from exception


def _load_file(path: Path, spec: str) -> ModuleType:
    if not path.is_file():
        raise UsageError(f"There is no file {path} to import {spec} from.")
    _find_modules_in(path.parent)  # a file's neighbours can be imported, as when Python runs the file
    name = path.stem
    loader_spec = importlib.util.spec_from_file_location(name, path)
    if loader_spec is None or loader_spec.loader is None:
        raise UsageError(f"{path} cannot be imported as Python.")
    module = importlib.util.module_from_spec(loader_spec)
    sys.modules.setdefault(name, module)
    try:
        loader_spec.loader.exec_module(module)
    except (Exception, SystemExit) as exception:
        raise UsageError(f"Importing {path} raised {_summary(exception)}.") from exception
    return module


def _find_modules_in(folder: Path) -> None:
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))


def _summary(exception: BaseException) -> str:
    """`ValueError: bad (file.py:12)`, for one sentence."""
    frames = traceback.extract_tb(exception.__traceback__)
    own = [frame for frame in frames if "importlib" not in frame.filename and frame.filename != __file__]
    where = f" ({Path(own[-1].filename).name}:{own[-1].lineno})" if own else ""
    message = " ".join(str(exception).split())
    return f"{type(exception).__name__}: {message}{where}"
