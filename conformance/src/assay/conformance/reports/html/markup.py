"""Safe HTML: text becomes markup only through these functions, and the type checker sees where it did not."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from typing import NewType

Html = NewType("Html", str)
"""Markup that is safe to put between tags."""

EMPTY = Html("")

_HEAD, _TAIL = 6000, 2000  # a message that is longer loses its middle; what matters stands at either end
_NAME = 160
_NEWLINES = re.compile("\r\n?")
_TERMINAL_CODES = re.compile("\x1b(?:\\[[0-?]*[ -/]*[@-~]|\\][^\x07\x1b]*(?:\x07|\x1b\\\\))")
_ASTRAL_NONCHARACTERS = "".join(chr(plane << 16 | low) for plane in range(1, 17) for low in (0xFFFE, 0xFFFF))
# What HTML forbids (control characters, surrogates, noncharacters), and what reorders or breaks the text around it.
_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff"
    + _ASTRAL_NONCHARACTERS
    + "]"
)
_QUOTED = re.compile("`([^`\n]+)`")
_VOID = ("link", "meta", "input", "br")


def visible(value: object) -> str:
    r"""Return what a reader should see of a text: no terminal codes, and control characters as `\x1b` or `\u202e`."""
    plain = _TERMINAL_CODES.sub("", _NEWLINES.sub("\n", str(value)))
    return _UNPRINTABLE.sub(lambda match: ascii(match.group())[1:-1], plain)


def text(value: object) -> Html:
    """Return any text as markup, shortened in its middle when it is very long."""
    return Html(html.escape(_shortened(visible(value)), quote=True))


def name(value: object) -> Html:
    """Return a name as markup: on one line, and shortened at its end."""
    plain = " ".join(visible(value).split()) or "(no name)"
    return Html(html.escape(plain if len(plain) <= _NAME else f"{plain[:_NAME]} ...", quote=True))


def prose(value: object) -> Html:
    """Return a sentence as markup, with what stands between backticks as code."""
    return Html(_QUOTED.sub(r"<code>\1</code>", text(value)))


def element(tag: str, *children: Html, **attributes: object) -> Html:
    """Return an element.

    Args:
      tag: Its name.
      *children: What stands in it.
      **attributes: Its attributes, as texts; None and False leave one out, True gives it no value. An underscore at
        the end is dropped (`class_`, `for_`), one inside becomes a hyphen (`aria_label`).
    """
    written = "".join(_attribute(key.rstrip("_").replace("_", "-"), value) for key, value in attributes.items())
    if tag in _VOID:
        return Html(f"<{tag}{written}>")
    return Html(f"<{tag}{written}>{''.join(children)}</{tag}>")


def together(parts: Iterable[Html], between: str = "\n") -> Html:
    """Return parts one after another; `between` is plain text without markup."""
    return Html(html.escape(between).join(part for part in parts if part))


def count(number: int, noun: str) -> str:
    """Return `1 rule`, `3 rules`."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def _attribute(key: str, value: object) -> str:
    if value is None or value is False:
        return ""
    return f" {key}" if value is True else f' {key}="{html.escape(visible(value), quote=True)}"'


def _shortened(plain: str) -> str:
    left_out = len(plain) - _HEAD - _TAIL
    if left_out <= 0:
        return plain
    return f"{plain[:_HEAD]}\n[... {left_out:,} more characters; the JSON report has them all ...]\n{plain[-_TAIL:]}"
