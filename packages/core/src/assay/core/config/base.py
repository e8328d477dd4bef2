"""`Config`: a tree of dataclasses that can be overridden from plain values, validated as a whole and locked."""

import copy
import dataclasses
import logging
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Self

from assay.core.config.checking import children, field_types, is_config, join, type_problems
from assay.core.config.errors import ConfigError, Problem
from assay.core.config.merging import assign, decode, merge, unknown_key

logger = logging.getLogger(__name__)


@dataclasses.dataclass
class Config:
    """The base of every configuration: a plain dataclass with strict overriding and a lock.

    ```python
    @dataclasses.dataclass
    class ModelConfig(Config):
        num_classes: int = 10
        dropout: float = 0.0

    @dataclasses.dataclass
    class MyTaskConfig(TaskConfig):
        model: ModelConfig = dataclasses.field(default_factory=ModelConfig)

    config = MyTaskConfig()
    config.override({"model": {"num_classes": 5}})  # {"model": {"classes": 5}} would raise ConfigError
    config.validate()
    config.lock()
    smaller = config.replace(model={"num_classes": 2})
    ```

    A field may be any type that pydantic understands, a `Config`, or a list of them; None is only accepted where the
    type says so (`int | None`). Every field needs a default. Rules that involve more than one type go into `problems`.
    """

    _is_assay_config: ClassVar[bool] = True
    _locked: ClassVar[bool] = False  # the instance attribute of the same name hides it once `lock` was called

    @classmethod
    def from_dict(cls, mapping: Mapping[str, Any]) -> Self:
        """Return a config with the defaults of this class, overridden by `mapping`.

        Raises:
            ConfigError: As `override`.
        """
        config = cls()
        config.override(mapping)
        return config

    @property
    def is_locked(self) -> bool:
        """Whether the fields can no longer be set."""
        return self._locked

    def lock(self) -> None:
        """Refuse every later change to this config and the configs in it. Locking twice is the same as once."""
        for _, child in self._children():
            child.lock()
        object.__setattr__(self, "_locked", True)

    def override(self, mapping: Mapping[str, Any], strict: bool = True) -> None:
        """Merge plain values into this config, all or, when anything is wrong, none.

        Args:
            mapping: Field names and values, nested as the config is. A value replaces the one there; a mapping is
                merged into the config or dict there.
            strict: Whether a key that does not exist is an error. If not, it is left out and named in the log.
                A value of the wrong type is an error in any case.

        Raises:
            ConfigError: Lists every unknown key and every value of the wrong type, each with its key path.
        """
        self._refuse_if_locked("be overridden")
        if not strict:
            mapping = self._known_part(mapping)
        assignments, problems = merge(self, mapping)
        if problems:
            raise ConfigError(problems)
        assign(assignments)

    def problems(self) -> Iterable[Problem | str]:
        """Yield what is wrong with the values of this config taken together; a subclass adds its rules here.

        Yields:
            A sentence, or a `Problem` whose path starts at this config. Types have been checked before.
        """
        return ()

    def mapping_problems(self, mapping: Mapping[str, Any]) -> Iterable[Problem]:
        """Yield what is wrong with a mapping about to be merged, beyond the keys and types of its values."""
        return ()

    def validate(self) -> None:
        """Check the type of every field and the rules of every config in this tree.

        Raises:
            ConfigError: Lists every problem with its key path.
        """
        problems = type_problems(self) or list(self._rule_problems(""))
        if problems:
            raise ConfigError(problems)

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as nested plain dicts and lists, copied."""
        return {name: _plain(getattr(self, name)) for name in field_types(type(self))}

    def replace(self, **changes: Any) -> Self:
        """Return an unlocked copy with `changes` merged in as by `override`.

        Raises:
            ConfigError: As `override`.
        """
        copied = self.copy()
        copied.override(changes)
        return copied

    def copy(self) -> Self:
        """Return an unlocked deep copy."""
        copied = copy.deepcopy(self)
        copied._unlock()
        return copied

    def __setattr__(self, name: str, value: Any) -> None:
        self._refuse_if_locked(f"have its `{name}` set")
        hints = field_types(type(self))
        if name in hints:
            if isinstance(value, Mapping) and not is_config(value):
                value = decode(value, hints[name], path=name)
        elif not name.startswith("_") and not hasattr(type(self), name):
            raise ConfigError(Problem(name, unknown_key(type(self), name, hints)))
        object.__setattr__(self, name, value)

    def _children(self, path: str = "") -> Iterable[tuple[str, "Config"]]:
        for name in field_types(type(self)):
            yield from children(getattr(self, name), join(path, name))

    def _children_in_force(self, path: str) -> Iterable[tuple[str, "Config"]]:
        return self._children(path)

    def _rule_problems(self, path: str) -> Iterable[Problem]:
        for problem in self.problems():
            if isinstance(problem, str):
                yield Problem(path, problem)
            else:
                yield Problem(join(path, problem.path) if problem.path else path, problem.message)
        for child_path, child in self._children_in_force(path):
            yield from child._rule_problems(child_path)

    def _refuse_if_locked(self, what: str) -> None:
        if self._locked:
            raise ConfigError(
                f"this {type(self).__name__} is locked and cannot {what}. It is locked once a run is set up, so that "
                "params.yaml tells the truth; make a changed copy with `replace(...)`."
            )

    def _unlock(self) -> None:
        for _, child in self._children():
            child._unlock()
        self.__dict__.pop("_locked", None)

    def _known_part(self, mapping: Mapping[str, Any], path: str = "") -> dict[str, Any]:
        known: dict[str, Any] = {}
        for key, value in mapping.items():
            if key not in field_types(type(self)):
                logger.warning("left out %s: %s has no such option", join(path, key), type(self).__name__)
            elif isinstance(value, Mapping) and is_config(child := getattr(self, key)):
                known[key] = child._known_part(value, join(path, key))
            else:
                known[key] = value
        return known


def _plain(value: Any) -> Any:
    if is_config(value):
        return value.as_dict()
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return copy.deepcopy(value)
