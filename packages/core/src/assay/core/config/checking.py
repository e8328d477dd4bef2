"""Checks values against the declared types of fields.

pydantic decides, in its strict mode: an integer is accepted where a float is declared, a list where a tuple is, and
nothing else is converted. A config is an object of its class; what is inside it was checked when it was put there.
"""

import dataclasses
import functools
import types
import typing
from collections.abc import Iterable, Mapping
from typing import Any

import pydantic
import pydantic_core
from assay.core.config.errors import ConfigError, Problem

if typing.TYPE_CHECKING:
    from assay.core.config.base import Config

_RULES = ("greater_", "less_", "multiple_", "string_too", "string_pattern", "value_error")
"""The kinds of pydantic error that come from a rule in an `Annotated` type rather than from the type."""


def is_config(value: Any) -> bool:
    """Say whether `value` is a config object (by its marker, so that this module needs not import the class)."""
    return getattr(type(value), "_is_assay_config", False)


def is_config_class(hint: Any) -> bool:
    """Say whether a type annotation is a config class."""
    return isinstance(hint, type) and getattr(hint, "_is_assay_config", False)


def field_types(cls: type) -> dict[str, Any]:
    """Return the declared type of each field of a config class, in order.

    Raises:
        ConfigError: An annotation names something that cannot be found.
    """
    return _field_types(cls)


def type_problems(config: "Config", path: str = "") -> list[Problem]:
    """Return a problem for each field of the tree whose value is not of its declared type."""
    problems: list[Problem] = []
    for key, hint in field_types(type(config)).items():
        value, where = getattr(config, key), join(path, key)
        try:
            check(value, hint, where)
        except ConfigError as error:
            problems += error.problems
        for child_path, child in children(value, where):
            problems += type_problems(child, child_path)
    return problems


def children(value: Any, path: str) -> Iterable[tuple[str, "Config"]]:
    """Yield the configs that a field's value is or holds, each with its key path."""
    if is_config(value):
        yield path, value
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from children(item, f"{path}[{index}]")
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from children(item, join(path, key))


def check(value: Any, hint: Any, path: str) -> Any:
    """Return `value` as its declared type has it (1 is 1.0 for a float), or refuse it.

    Raises:
        ConfigError: Names the key path, the expected type, the received value and its type.
    """
    if is_config(value):
        if _accepts_config(value, hint):
            return value
        raise ConfigError(Problem(path, f"expected {describe(hint)}; received a {type(value).__name__}."))
    if any(True for _ in children(value, path)):  # a list or dict of configs; each was decoded by its own class
        return value
    if is_config_class(hint):
        raise ConfigError(
            Problem(path, f"expected the options of {hint.__name__}, one `key: value` each; {_received(value)}.")
        )
    try:
        return _validated(value, hint)
    except pydantic.ValidationError as error:
        raise ConfigError(Problem(path, _type_message(value, hint, error))) from None


def describe(hint: Any) -> str:
    """Return a declared type as one would write it: `int | None`, `list[float]`."""
    if hint is type(None):
        return "null"
    origin = typing.get_origin(hint)
    if origin is typing.Annotated:
        return describe(typing.get_args(hint)[0])
    if origin is typing.Literal:
        return " | ".join(repr(choice) for choice in typing.get_args(hint))
    if origin in (typing.Union, types.UnionType):
        return " | ".join(describe(part) for part in typing.get_args(hint))
    if isinstance(hint, type) and origin is None:
        return hint.__name__
    if isinstance(origin, type):
        arguments = ["..." if part is Ellipsis else describe(part) for part in typing.get_args(hint)]
        return f"{origin.__name__}[{', '.join(arguments)}]"
    return str(hint).replace("typing.", "")


def join(path: str, key: Any) -> str:
    """Return the key path of `key` under `path`."""
    return f"{path}.{key}" if path else str(key)


@functools.cache
def _field_types(cls: Any) -> dict[str, Any]:
    if "__dataclass_fields__" not in cls.__dict__:
        raise ConfigError(f"{cls.__name__} must be decorated with `@dataclasses.dataclass`, as its base class is.")
    try:
        hints = typing.get_type_hints(cls, include_extras=True)
    except NameError as error:
        raise ConfigError(
            f"the types of {cls.__name__} cannot be resolved: {error}. A config class with postponed annotations "
            "must stand at the top of its module, and so must the types that it names."
        ) from error
    missing = dataclasses.MISSING
    fields = dataclasses.fields(cls)
    bare = [field.name for field in fields if field.default is missing and field.default_factory is missing]
    if bare:
        raise ConfigError(f"every field of a config needs a default; {cls.__name__} has none for {', '.join(bare)}.")
    return {field.name: hints[field.name] for field in fields}


@functools.cache
def _adapter(hint: Any) -> Any:
    try:
        return pydantic.TypeAdapter(hint, config=pydantic.ConfigDict(arbitrary_types_allowed=True))
    except pydantic.PydanticUserError:  # a dataclass or TypedDict carries its own pydantic settings
        return pydantic.TypeAdapter(hint)


def _validated(value: Any, hint: Any) -> Any:
    adapter = _adapter(hint)
    try:
        return adapter.validate_python(value, strict=True)
    except pydantic.ValidationError:
        # A YAML list is also how a tuple is written; pydantic's JSON mode knows that and is as strict otherwise.
        if not isinstance(value, list | tuple | dict):
            raise
        try:
            text = pydantic_core.to_json(value, inf_nan_mode="constants")
        except pydantic_core.PydanticSerializationError:
            text = None
        if text is None:
            raise
    return adapter.validate_json(text, strict=True)


def _accepts_config(value: Any, hint: Any) -> bool:
    if hint is Any or (isinstance(hint, type) and isinstance(value, hint)):
        return True
    return typing.get_origin(hint) in (typing.Union, types.UnionType) and any(
        _accepts_config(value, part) for part in typing.get_args(hint)
    )


def _type_message(value: Any, hint: Any, error: pydantic.ValidationError) -> str:
    message = f"expected {describe(hint)}; {_received(value)}."
    details = [detail for detail in error.errors() if any(isinstance(part, int) for part in detail["loc"])]
    if details and isinstance(value, list | tuple):
        first = details[0]
        index = next(part for part in first["loc"] if isinstance(part, int))
        message += f" Item {index}: {_received(first['input'])}."
    elif (rule := error.errors()[0])["type"].startswith(
        ("greater_", "less_", "multiple_", "string_too", "value_error")
    ):
        message += f" {rule['msg']}."
    expected = describe(hint)
    if isinstance(value, bool) and "str" in expected:
        message += " Some YAML readers take an unquoted off, on, yes or no for a boolean; quote it."
    if isinstance(value, float) and value.is_integer() and "int" in expected and "float" not in expected:
        message += f" An integer is written without point or exponent: {int(value)}."
    if isinstance(value, str):
        if "bool" in expected and value.lower() in ("yes", "on", "y", "no", "off", "n"):
            message += " A boolean is written true or false."
        elif any(word in expected for word in ("int", "float")) and _looks_numeric(value):
            message += " It is quoted, or a string in its source; write the number alone."
        elif value == "None" and "null" in expected:
            message += " Nothing is written null."
    return message


def _received(value: Any) -> str:
    if value is None:
        return "received null"
    text = repr(value)
    text = text if len(text) <= 80 else text[:77] + "..."
    return f"received {text} ({type(value).__name__})"


def _looks_numeric(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
