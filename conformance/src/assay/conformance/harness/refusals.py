"""Exceptions that a component means, told apart from those that happen to it.

A component that says no, in a `raise` of its own, has decided something; one whose arithmetic falls over has not. Rules
that allow a refusal ask here which it was.
"""

from __future__ import annotations

import linecache
import sysconfig
import traceback
from pathlib import Path

_SAID = (ValueError, RuntimeError, TypeError, LookupError)
_STATEMENTS = ("raise", "assert")
_STANDARD_LIBRARY = Path(sysconfig.get_paths()["stdlib"])
_PACKAGES = ("site-packages", "dist-packages")
_ARITHMETIC = ("numpy", "scipy", "pandas", "tensorflow", "keras", "tf_keras", "jax", "torch")
"""Libraries whose own exceptions are never the component's decision, however they are raised."""


def is_refusal(exception: BaseException) -> bool:
    """Whether an exception was raised on purpose: by a `raise` or `assert` of the component, or of what checks for it.

    Where the source is not to be had, an exception of a kind that people raise, with a message, is taken as meant.
    """
    last = _innermost(exception)
    if last is None or _is_arithmetic(Path(last[0])):
        return False
    line = linecache.getline(*last).strip()
    if line:
        return line.startswith(_STATEMENTS)
    return type(exception) in _SAID and bool(str(exception))


def _innermost(exception: BaseException) -> tuple[str, int] | None:
    """The file and the line that raised it; AutoGraph raises again on its way out, and notes where it came from."""
    noted = getattr(getattr(exception, "ag_error_metadata", None), "translated_stack", ())
    if noted:
        return str(noted[0].filename), int(noted[0].lineno)
    frames = traceback.extract_tb(exception.__traceback__)
    return (frames[-1].filename, frames[-1].lineno or 0) if frames else None


def names(exception: BaseException | str, *words: str) -> bool:
    """Whether the text of an exception holds each word, as a word of its own."""
    text = str(exception)
    return all(_holds(text, word) for word in words)


def _holds(text: str, word: str) -> bool:
    start = text.find(word)
    while start >= 0:
        before, after = text[:start], text[start + len(word) :]
        if not (_continues(before[-1:], word[:1]) or _continues(after[:1], word[-1:])):
            return True
        start = text.find(word, start + 1)
    return False


def _continues(neighbour: str, edge: str) -> bool:
    """Whether two characters that stand side by side belong to one word."""
    return _in_word(neighbour) and _in_word(edge)


def _in_word(sign: str) -> bool:
    return sign.isalnum() or sign == "_"


def _is_arithmetic(file: Path) -> bool:
    if any(part in file.parts for part in _PACKAGES):
        at = max(index for index, part in enumerate(file.parts) if part in _PACKAGES)
        return file.parts[at + 1 : at + 2] in [(name,) for name in _ARITHMETIC]
    return _STANDARD_LIBRARY in file.parents
