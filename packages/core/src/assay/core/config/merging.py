"""Decodes plain values into typed fields and merges a mapping into a tree of configs.

The tree keeps its classes: a mapping is merged into the object that is there, so a field declared as
`TaskConfig` that holds a subclass of it knows the keys of the subclass.
"""

import copy
import difflib
import types
import typing
from collections.abc import Iterable, Mapping
from typing import Any

from assay.core.config.checking import check, field_types, is_config, is_config_class, join
from assay.core.config.errors import ConfigError, Problem
from assay.core.config.unsupported import why_unsupported

if typing.TYPE_CHECKING:
    from assay.core.config.base import Config


class ListItems(dict[int, Any]):
    """Replacements for single items of a list, by index: what `x[0]=1` in an override means."""


Assignment = tuple[Any, str, Any]


def merge(config: "Config", mapping: Mapping[Any, Any], path: str = "") -> tuple[list[Assignment], list[Problem]]:
    """Work out what assigning `mapping` to `config` would do; nothing is changed yet.

    Args:
        config: The node to merge into.
        mapping: Keys and values; a mapping for a field that is a config is merged in turn.
        path: The key path of `config`, for the messages.

    Returns:
        The assignments `(node, field name, value)`, and the problems found. With problems, do not assign.
    """
    assignments: list[Assignment] = []
    problems: list[Problem] = []
    hints = field_types(type(config))
    if config.is_locked:
        raise ConfigError(Problem(path, f"is locked; make a changed copy of the {type(config).__name__}."))
    if isinstance(mapping, ListItems):
        return [], [Problem(path, f"is no list, so it has no item [{min(mapping)}]; it is a {type(config).__name__}.")]
    for key, value in mapping.items():
        where = join(path, key)
        if not isinstance(key, str) or key not in hints:
            problems.append(Problem(where, unknown_key(type(config), key, hints)))
            continue
        current = getattr(config, key, None)
        if current is not None and is_config(current) and isinstance(value, Mapping):
            inner_assignments, inner_problems = merge(current, value, where)
            assignments += inner_assignments
            problems += inner_problems
            continue
        try:
            assignments.append((config, key, decode(value, hints[key], current, where)))
        except ConfigError as error:
            problems += error.problems
    for problem in config.mapping_problems(mapping):
        problems.append(Problem(join(path, problem.path), problem.message))
    return assignments, problems


def decode(value: Any, hint: Any, current: Any = None, path: str = "") -> Any:
    """Turn a plain value (from YAML, JSON or Python) into a value of the declared type.

    Args:
        value: The value. A mapping becomes a config where the type says so.
        hint: The declared type.
        current: The value there now: a list for `ListItems`, a dict to merge into.
        path: The key path, for the message.

    Returns:
        The value to store. Containers are copies.

    Raises:
        ConfigError: Naming the path, the expected type, the received value and its type.
    """
    if is_config(value):
        value = value.copy()
    if isinstance(value, ListItems):
        value = _with_items(value, hint, current, path)
    if isinstance(value, Mapping) and not is_config(value):
        if (config_class := _config_class_of(hint)) is not None:
            return _built(config_class, value, path)
        if (config_class := _config_class_of(_item_hint(hint))) is not None:
            value = _with_config_values(value, config_class, current, path)
        elif isinstance(current, Mapping):
            value = _merged_dicts(current, value)
    if isinstance(value, list | tuple) and any(isinstance(item, Mapping) for item in value):
        value = _with_config_items(value, hint, path)
    return check(value, hint, path)


def unknown_key(cls: type, key: Any, known: Iterable[str]) -> str:
    """Say that `key` is not an option of `cls`, what the nearest one is, and which there are."""
    known = list(known)
    if reason := why_unsupported(cls, key):
        return f"no such option. {reason} Options of {cls.__name__}: {', '.join(known)}."
    near = difflib.get_close_matches(str(key), known, n=1, cutoff=0.5)
    hint = f" Did you mean `{near[0]}`?" if near else ""
    return f"no such option.{hint} Options of {cls.__name__}: {', '.join(known) or 'none'}."


def _config_class_of(hint: Any) -> type | None:
    """Return the only config class in a declared type, None when there is none or a choice of several."""
    if is_config_class(hint):
        return typing.cast(type, hint)
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        found = [part for part in typing.get_args(hint) if is_config_class(part)]
        return found[0] if len(found) == 1 else None
    return None


def _built(config_class: type, mapping: Mapping[str, Any], path: str) -> Any:
    return _merged_config(config_class(), mapping, path)


def _merged_config(config: Any, mapping: Mapping[str, Any], path: str) -> Any:
    assignments, problems = merge(config, mapping, path)
    if problems:
        raise ConfigError(problems)
    assign(assignments)
    return config


def assign(assignments: Iterable[Assignment]) -> None:
    """Carry out what `merge` returned."""
    for node, name, value in assignments:
        setattr(node, name, value)


def _item_hint(hint: Any) -> Any:
    """Return the declared type of the items of a list or of the values of a dict, Any when there is none."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        hints = [_item_hint(part) for part in typing.get_args(hint) if typing.get_args(part)]
        return hints[0] if len(hints) == 1 else Any
    arguments = [argument for argument in typing.get_args(hint) if argument is not Ellipsis]
    if isinstance(origin := typing.get_origin(hint), type) and issubclass(origin, Mapping):
        arguments = arguments[1:]
    return arguments[0] if len(arguments) == 1 else Any


def _with_config_items(value: list[Any] | tuple[Any, ...], hint: Any, path: str) -> Any:
    item_class = _config_class_of(_item_hint(hint))
    if item_class is None:
        return value
    return type(value)(
        _built(item_class, item, f"{path}[{index}]") if isinstance(item, Mapping) else item
        for index, item in enumerate(value)
    )


def _with_config_values(mapping: Mapping[str, Any], config_class: type, current: Any, path: str) -> dict[str, Any]:
    """Return a copy of the dict `current` with configs made from, or changed by, the values of `mapping`."""
    values = dict(current or {})
    for key, value in mapping.items():
        known = values.get(key)
        if isinstance(value, Mapping):
            values[key] = _merged_config(
                known.copy() if known is not None and is_config(known) else config_class(), value, join(path, key)
            )
        else:
            values[key] = check(value, config_class, join(path, key))
    return values


def _with_items(items: ListItems, hint: Any, current: Any, path: str) -> list[Any]:
    """Return a copy of the list `current` with single items replaced, or appended in order."""
    if current is not None and not isinstance(current, list | tuple):
        raise ConfigError(Problem(path, f"is not a list, so it has no item [{min(items)}]; it is {current!r}."))
    values = list(current or ())
    for index in sorted(items):
        value, where = items[index], f"{path}[{index}]"
        if index > len(values):
            raise ConfigError(Problem(where, f"the list has {len(values)} items; the next index is {len(values)}."))
        if index == len(values):
            values.append(None)
        if is_config(values[index]) and isinstance(value, Mapping):
            values[index] = _merged_config(values[index].copy(), value, where)
        else:
            values[index] = decode(value, _item_hint(hint), values[index], where)
    return values


def _merged_dicts(current: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    merged = copy.deepcopy(dict(current))
    for key, value in new.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = _merged_dicts(merged[key], value) if both else copy.deepcopy(value)
    return merged
