"""Makes HTML and SVG as trees of elements, so that what is text stays text."""

import re
import xml.etree.ElementTree as ET
from typing import TypeAlias

Element: TypeAlias = ET.Element

# What HTML forbids as a character, and what turns the direction of the text around it.
_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)


def element(tag: str, *children: "Element | str", **attributes: object) -> Element:
    """Return an element.

    Args:
        tag: Its name.
        *children: What stands in it; texts are escaped when the tree is written.
        **attributes: Its attributes. None leaves one out. An underscore at the end is dropped (`class_`), one inside
            becomes a hyphen (`stroke_width`); numbers are written with three digits after the point at most.
    """
    made = ET.Element(tag, {_key(key): _value(value) for key, value in attributes.items() if value is not None})
    for child in children:
        if isinstance(child, ET.Element):
            made.append(child)
        elif len(made):
            made[-1].tail = (made[-1].tail or "") + _printable(child)
        else:
            made.text = (made.text or "") + _printable(child)
    return made


def markup(root: Element) -> str:
    """Return a tree as HTML."""
    return ET.tostring(root, encoding="unicode", method="html")


def _key(key: str) -> str:
    return key.rstrip("_").replace("_", "-")


def _value(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.3f}".rstrip("0").rstrip(".")
    return _printable(str(value))


def _printable(text: str) -> str:
    return _UNPRINTABLE.sub(lambda match: ascii(match.group())[1:-1], text)
