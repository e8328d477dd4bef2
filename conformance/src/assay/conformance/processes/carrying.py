"""Carrying a subject into another process: by the name it can be imported by, or by value."""

from __future__ import annotations

import dataclasses
import pickle
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from assay.conformance.context import Context
from assay.conformance.importing import load_subjects
from assay.conformance.model.errors import NotRun, UsageError
from assay.conformance.model.kinds import Kind
from assay.conformance.model.subject import Subject
from assay.conformance.model.vocabulary import Mode, Target
from assay.conformance.session import Session


@dataclasses.dataclass(frozen=True)
class Parcel:
    """A context as it travels.

    Attributes:
      factory: The pickled factory; None when the subject is imported by its origin instead.
      origin: `package.module:attr` or `path/file.py:attr`.
      kind: The subject's kind.
      traits: Its traits.
      name: What reports call it.
      rule: The rule that is being checked.
      seed: Where randomness starts from.
      max_examples: How many cases a property search looks at.
      target: The target.
      mode: The mode.
    """

    factory: bytes | None
    origin: str
    kind: str | None
    traits: Mapping[str, Any]
    name: str
    rule: str
    seed: int
    max_examples: int | None
    target: str
    mode: str


def pack(ctx: Context) -> Parcel:
    """Return a context as it can travel into another process.

    Raises:
      NotRun: If the subject's factory can neither be imported by name nor be carried by value.
    """
    subject = ctx.subject
    return Parcel(
        factory=_pickled(subject),
        origin=subject.origin,
        kind=None if subject.kind is None else subject.kind.value,
        traits=dict(subject.traits),
        name=subject.name,
        rule=ctx.rule_id,
        seed=ctx.seed,
        max_examples=ctx.session.max_examples,
        target=ctx.target.value,
        mode=ctx.mode.value,
    )


def unpack(parcel: Parcel) -> Context:
    """Return the context that was packed, with a session of its own."""
    if parcel.factory is None:
        known = {one.name: one for one in load_subjects(parcel.origin)}
        factory = known.get(parcel.name, next(iter(known.values()))).factory
    else:
        factory = pickle.loads(parcel.factory)
    kind = None if parcel.kind is None else Kind(parcel.kind)
    subject = Subject(factory, kind=kind, traits=parcel.traits, name=parcel.name)
    session = Session(subject, seed=parcel.seed, max_examples=parcel.max_examples)
    return Context(rule_id=parcel.rule, session=session, target=Target(parcel.target), mode=Mode(parcel.mode))


def _pickled(subject: Subject) -> bytes | None:
    """The factory by name, or by value where cloudpickle is installed; None when its origin has to do."""
    factory, module = subject.factory, _module_of(subject.factory)
    importable = module is not None and _is_importable(module)
    if importable:
        try:
            return pickle.dumps(factory)
        except Exception:  # a lambda, a local class: pickle raises what it likes
            pass
    try:
        return _by_value(factory, None if importable else module)
    except Exception as exception:
        if _can_be_loaded(subject.origin):
            return None
        raise NotRun(
            f"The subject cannot be made in a new process: its factory cannot be carried there ({exception}).",
            remedy="Give the factory a name in a module (a class or a function), or install cloudpickle.",
        ) from exception


def _by_value(factory: Any, module: str | None) -> bytes:
    """The factory with its code, and that of its module when no other process can import it."""
    import cloudpickle  # type: ignore[import-untyped]

    known = sys.modules.get(module or "")
    if known is None or module == "__main__":  # cloudpickle carries what is in the main program by value anyhow
        return bytes(cloudpickle.dumps(factory))
    cloudpickle.register_pickle_by_value(known)
    try:
        return bytes(cloudpickle.dumps(factory))
    finally:
        cloudpickle.unregister_pickle_by_value(known)


def _module_of(factory: Any) -> str | None:
    inner = getattr(factory, "func", factory)
    module = getattr(inner, "__module__", None)
    return module if isinstance(module, str) else None


def _is_importable(module: str) -> bool:
    """Whether another process, with the same path, finds the very module by its name."""
    if module == "__main__":
        return False
    where, found, name = None, None, ""
    for part in module.split("."):
        name = f"{name}.{part}" if name else part
        specs = (finder.find_spec(name, where) for finder in sys.meta_path if hasattr(finder, "find_spec"))
        found = next((spec for spec in specs if spec is not None), None)
        if found is None:
            return False
        where = found.submodule_search_locations
    file = getattr(sys.modules.get(module), "__file__", None)
    return file is None or found is None or found.origin is None or Path(file) == Path(found.origin)


def _can_be_loaded(origin: str) -> bool:
    try:
        return bool(origin) and bool(load_subjects(origin))
    except UsageError:
        return False
