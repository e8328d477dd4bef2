"""A subject: a factory of new components, and what the suite cannot guess about them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from assay.conformance.model.kinds import Kind
from assay.conformance.model.traits import check_traits


@dataclasses.dataclass(frozen=True, eq=False)
class Subject:
    """What is checked.

    ```python
    Subject(MyTask, traits={"batch_statistics": True})
    Subject(lambda: FocalLoss(gamma=2.0), sample=batch, name="focal")
    ```

    Attributes:
      factory: Makes a *new* component each time it is called without arguments: a class or a function.
      sample: What the kind needs and the component does not bring: `(y_true, y_pred)` for losses and Keras metrics,
        a list of `(groundtruths, predictions)` for Python metrics, a nested dict of values for summary managers (one
        is supplied when None), the data parameters of an input pipeline, `{"training": ..., "validation": ...}` (simple
        ones when None). A Task brings its own data.
      kind: The kind of component; inferred from its methods when None.
      traits: What the component declares about itself; see `TRAITS`.
      name: What reports call it; by default the name of the factory.
      origin: Where it was imported from, as the command line takes it (`package.module:attr`); for the replay line.
      options: What the command line was told about it besides (`--sample`, `--trait`); for the replay line.

    Raises:
      UsageError: If a trait is unknown or has the wrong type.
      TypeError: If the factory cannot be called.
    """

    factory: Callable[..., Any]
    sample: Any = None
    _: dataclasses.KW_ONLY
    kind: Kind | None = None
    traits: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    name: str = ""
    origin: str = ""
    options: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not callable(self.factory):
            raise TypeError(
                f"Subject.factory must be callable without arguments and return a new component; received an object of "
                f"type {type(self.factory).__name__}. A component made beforehand cannot be checked: pass its class, "
                "or a function that makes one."
            )
        kind = None if self.kind is None else Kind(self.kind)
        object.__setattr__(self, "kind", kind)
        object.__setattr__(self, "traits", check_traits(self.traits, kind=kind))
        object.__setattr__(self, "name", self.name or _name_of(self.factory))
        object.__setattr__(self, "origin", self.origin or _origin_of(self.factory))

    @property
    def can_be_named(self) -> bool:
        """Whether its origin and options say all of it: a sample or traits that were passed in Python they do not."""
        bare = self.origin == _origin_of(self.factory)
        return bool(self.origin) and not (bare and not self.options and (self.sample is not None or self.traits))

    def replace(self, **changes: Any) -> Subject:
        """Return a copy with some attributes changed."""
        return dataclasses.replace(self, **changes)


def _name_of(factory: Any) -> str:
    """The name of a factory: its qualified name, seen through `functools.partial`."""
    inner = getattr(factory, "func", factory)
    return getattr(inner, "__qualname__", type(inner).__name__)


def _origin_of(factory: Any) -> str:
    """`module:attr` of a factory that can be imported again, or an empty string."""
    module, qualname = getattr(factory, "__module__", None), getattr(factory, "__qualname__", "<none>")
    return "" if not module or "<" in qualname or "." in qualname or module == "__main__" else f"{module}:{qualname}"
