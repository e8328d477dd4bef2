"""Parses the value of `--params_override`: pairs, a YAML or JSON text, or the path of a file.

```
task.model.num_classes=10, trainer.train_steps=100     pairs; dots nest
task.model.depths=[2,2,6], task.model.depths[1]=4      a list, and one item of a list
{trainer: {train_steps: 100}}                          YAML or JSON
my_overrides.yaml                                      a file
```
"""

import dataclasses
import itertools
import os
import re
from typing import Any

from assay.core.config.errors import ConfigError
from assay.core.config.merging import ListItems
from assay.core.config.reading import read_config_file, read_config_text, read_plain_scalar, read_value

_BEGINS_LIKE_A_PAIR = re.compile(r"\s*[\w.\-/\[\]]+\s*=")
_KEY = re.compile(r"[\w\-/]+(\[\d+\])*(\.[\w\-/]+(\[\d+\])*)*")
FILE_ENDINGS = (".yaml", ".yml", ".json")
"""A word with such an ending is taken for the path of a file."""
_CLOSING = {"[": "]", "{": "}"}
_BEFORE_A_QUOTE = "=,[{:"


@dataclasses.dataclass(frozen=True)
class Override:
    """A parsed override.

    Attributes:
        mapping: The nested mapping, with `ListItems` for single items of lists.
        text: The YAML or JSON in which a key can be found; empty for pairs.
        path: The file it came from; empty when it was given directly.
    """

    mapping: dict[str, Any]
    text: str = ""
    path: str = ""


def parse_override(text: str) -> Override:
    """Parse the value of `--params_override`; an empty one changes nothing.

    Raises:
        ConfigError: The text is none of the forms, or not well formed.
    """
    if not text.strip():
        return Override({})
    if _BEGINS_LIKE_A_PAIR.match(text):
        return Override(parse_pairs(text))
    path = text.strip()
    if "\n" not in path and (os.path.isfile(path) or path.lower().endswith(FILE_ENDINGS)):
        mapping, content = read_config_file(path)
        return Override(mapping, content, path)
    try:
        return Override(read_config_text(text), text)
    except ConfigError as error:
        raise ConfigError(
            f"expected pairs such as `a.b=1,c.d=x`, a YAML or JSON mapping, or the path of a file; received {text!r}. "
            f"As YAML: {error}"
        ) from None


def parse_pairs(text: str) -> dict[str, Any]:
    """Parse `a.b=1, c.d=[1,2], e[0]=x` into a nested mapping.

    A value is read as YAML would read it; it is a string when it is nothing else, whatever signs it has, so quotes are
    needed only around a comma or around a word such as `true`. `None` is null, and nothing after the `=` is the empty
    string.

    Raises:
        ConfigError: A pair has no `=`, its key is not well formed, or a key is given twice.
    """
    root: dict[Any, Any] = {}
    for pair in _split(text):
        key, equals, value = pair.partition("=")
        key = key.strip()
        if not equals:
            raise ConfigError(
                f"{pair.strip()!r} is not a `key=value` pair. Write a list as [a,b], and quote a value with a comma."
            )
        if not _KEY.fullmatch(key):
            raise ConfigError(f"{key!r} is not a key such as `trainer.train_steps` or `task.model.depths[1]`.")
        _insert(root, key, _value(value.strip(), key))
    return root


def _split(text: str) -> list[str]:
    """Split at the commas that stand outside of quotes and brackets."""
    pairs, begin, closing, quote = [], 0, "", ""
    position = 0
    while position < len(text):
        char = text[position]
        if quote:
            if (char == "\\" and quote == '"') or (char == quote == "'" and text[position + 1 : position + 2] == "'"):
                position += 1
            elif char == quote:
                quote = ""
        elif char in "'\"" and text[:position].rstrip()[-1:] in _BEFORE_A_QUOTE:
            quote = char
        elif char in _CLOSING and (closing or text[:position].rstrip()[-1:] == "="):
            closing += _CLOSING[char]
        elif closing and char == closing[-1]:
            closing = closing[:-1]
        elif char == "," and not closing:
            pairs.append(text[begin:position])
            begin = position + 1
        position += 1
    last = text[begin:]
    return [*pairs, last] if last.strip() or not pairs else pairs


def _value(text: str, key: str) -> Any:
    if text == "":
        return ""
    if text == "None":
        return None
    if text[0] not in "[{'\"":
        return read_plain_scalar(text)
    try:
        return read_value(text)
    except ConfigError as error:
        raise ConfigError(f"the value of {key!r}, {text}, is {error}") from None


def _insert(root: dict[Any, Any], key: str, value: Any) -> None:
    parts: list[str | int] = []
    for name in key.split("."):
        parts.append(name.split("[")[0])
        parts += [int(index) for index in re.findall(r"\[(\d+)\]", name)]
    node = root
    for part, following in itertools.pairwise(parts):
        kind: type = ListItems if isinstance(following, int) else dict
        node = node.setdefault(part, kind())
        if type(node) is not kind:
            raise ConfigError(f"{key!r} contradicts another pair, which gives a value to a part of this key.")
    if parts[-1] in node:
        raise ConfigError(f"{key!r} is given twice.")
    node[parts[-1]] = value
