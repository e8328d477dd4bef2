"""Reads YAML and JSON as one expects it: `1e-4` is a number, `off` is a word, and no key is given twice.

YAML 1.1, which most Python readers follow, takes `1e-4` for a string, `off` and `no` for false, `010` for 8 and `1:30`
for 90. Here the core schema of YAML 1.2 is used, with `1_000` allowed as well.

References:
    YAML Ain't Markup Language, version 1.2.2, section 10.3 "Core Schema", 2021.
"""

import contextlib
import functools
import json
import os
import re
from collections.abc import Callable
from typing import Any

import yaml
from assay.core.config.errors import ConfigError, Problem

_SIGNS_AND_DIGITS = list("-+0123456789")
_RESOLVERS = [
    ("tag:yaml.org,2002:bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("tag:yaml.org,2002:int", r"[-+]?[0-9][0-9_]*|0o[0-7]+|0x[0-9a-fA-F]+", _SIGNS_AND_DIGITS),
    (
        "tag:yaml.org,2002:float",
        r"[-+]?(\.[0-9]+|[0-9][0-9_]*(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        [*_SIGNS_AND_DIGITS, "."],
    ),
    ("tag:yaml.org,2002:merge", r"<<", ["<"]),
    ("tag:yaml.org,2002:null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
]
_INT_BASES = {"0o": 8, "0x": 16}


class CoreSchemaLoader(yaml.SafeLoader):
    """A safe YAML loader with the core schema of YAML 1.2 that refuses a key given twice."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        """Construct a mapping, refusing a key given twice."""
        seen: dict[str, int] = {}
        for key_node, _ in node.value:
            key, line = str(key_node.value), key_node.start_mark.line + 1
            if key in seen:
                raise ConfigError(Problem(key, f"is given twice, on lines {seen[key]} and {line}."))
            seen[key] = line
        return super().construct_mapping(node, deep=deep)


def add_resolvers(cls: Any) -> None:
    """Let a PyYAML loader or dumper class know what a plain scalar means here."""
    for tag, pattern, first in _RESOLVERS:
        cls.add_implicit_resolver(tag, re.compile(f"(?:{pattern})\\Z"), first)


def _construct_int(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> int:
    text = loader.construct_scalar(node).replace("_", "")
    return int(text, _INT_BASES.get(text[:2], 10))


def _construct_float(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> float:
    return float(loader.construct_scalar(node).replace("_", "").replace(".inf", "inf").replace(".nan", "nan").lower())


CoreSchemaLoader.yaml_implicit_resolvers = {}  # not those of the base class
add_resolvers(CoreSchemaLoader)
CoreSchemaLoader.add_constructor("tag:yaml.org,2002:int", _construct_int)
CoreSchemaLoader.add_constructor("tag:yaml.org,2002:float", _construct_float)


def read_yaml(text: str) -> Any:
    """Return what a YAML (or JSON) text holds.

    Raises:
        ConfigError: The text is not well formed, or a key is given twice.
    """
    try:
        return yaml.load(text, Loader=CoreSchemaLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
        reason = "; ".join(part for part in (error.context, error.problem) if part)
        raise ConfigError(f"not well-formed YAML: {reason}{where}.") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"not well-formed YAML: {error}.") from None


def read_value(text: str) -> Any:
    """Return what a JSON or YAML text holds.

    What is JSON is read as JSON: the two do not agree on how characters beyond the 16-bit ones are escaped.

    Raises:
        ConfigError: The text is neither, or a key is given twice.
    """
    if text.lstrip()[:1] in ("{", "[", '"'):
        with contextlib.suppress(_NotJsonError):
            return _read_json(text)
    return read_yaml(text)


def read_plain_scalar(text: str) -> Any:
    """Return what an unquoted word means: `1e-4` a float, `null` None, `*.tfrecord` itself."""
    node = yaml.ScalarNode(CoreSchemaLoader("").resolve(yaml.ScalarNode, text, (True, False)), text)
    return CoreSchemaLoader("").construct_object(node)


def read_text(path: str) -> str:
    """Return the text of a file; a path with a scheme, such as `gs://`, is read through TensorFlow.

    Raises:
        ConfigError: The file cannot be read.
    """
    try:
        if "://" in path:
            import tensorflow as tf

            with tf.io.gfile.GFile(path) as remote:
                return remote.read()
        with open(path, encoding="utf-8") as file:
            return file.read()
    except Exception as error:  # OSError, UnicodeDecodeError and TensorFlow's own
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(f"cannot be read: {reason} (from {os.getcwd()}).", path) from error


def read_config_text(text: str, is_json: bool = False) -> dict[str, Any]:
    """Return the mapping that a configuration text holds; an empty text holds an empty one.

    Raises:
        ConfigError: It is not well formed, or holds something else.
    """
    try:
        value = _read_json(text) if is_json and text.strip() else read_value(text)
    except _NotJsonError as error:
        raise ConfigError(str(error)) from None
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ConfigError(f"must hold `key: value` pairs; it holds {value!r} ({type(value).__name__}).")
    return value


def read_config_file(path: str) -> tuple[dict[str, Any], str]:
    """Return the mapping that a YAML file, or a JSON file if it ends in `.json`, holds, and the text of the file.

    Raises:
        ConfigError: Names the file: it cannot be read, is not well formed, or holds something else.
    """
    text = read_text(path)
    try:
        return read_config_text(text, is_json=path.lower().endswith(".json")), text
    except ConfigError as error:
        raise error.located(path) from None


def line_finder(text: str) -> Callable[[str], int | None]:
    """Return a function from a key path to the line where the text has it, None where it has not."""

    @functools.cache
    def lines() -> dict[str, int]:
        found: dict[str, int] = {}
        try:
            root = yaml.compose(text, Loader=CoreSchemaLoader)
        except yaml.YAMLError:
            return found
        _collect_lines(root, "", found)
        return found

    def line_of(path: str) -> int | None:
        return lines().get(path)

    return line_of


def _collect_lines(node: Any, path: str, found: dict[str, int]) -> None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            where = f"{path}.{key.value}" if path else str(key.value)
            found[where] = key.start_mark.line + 1
            _collect_lines(value, where, found)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            where = f"{path}[{index}]"
            found[where] = item.start_mark.line + 1
            _collect_lines(item, where, found)


class _NotJsonError(Exception):
    """The text is not JSON."""


def _read_json(text: str) -> Any:
    def mapping(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = [key for key, _ in pairs]
        for key in keys:
            if keys.count(key) > 1:
                raise ConfigError(Problem(key, "is given twice."))
        return dict(pairs)

    try:
        return json.loads(text, object_pairs_hook=mapping)
    except json.JSONDecodeError as error:
        raise _NotJsonError(f"not well-formed JSON: {error}.") from None
