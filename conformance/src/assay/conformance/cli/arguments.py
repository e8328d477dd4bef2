"""The values of options: read, and refused with a sentence when they are none."""

from __future__ import annotations

import argparse
import json
import math
from typing import Any


def names(text: str) -> tuple[str, ...]:
    """Read a list separated by commas: `T501,zero-is-removal`."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


def trait(text: str) -> tuple[str, Any]:
    """Read a trait and its value: `batch_statistics`, `ignore_label=255`, `normaliser=valid`."""
    name, equals, value = text.partition("=")
    if not equals:
        return name, True
    try:
        return name, json.loads(value)
    except json.JSONDecodeError:
        return name, value


def whole_number(text: str) -> int:
    """Read a whole number that is not negative."""
    return _integer(text, at_least=0)


def count(text: str) -> int:
    """Read a whole number of at least 1."""
    return _integer(text, at_least=1)


def seconds(text: str) -> float:
    """Read a finite number of seconds that is not negative."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds: give 0 or more")
    return number


def _integer(text: str, *, at_least: int) -> int:
    try:
        number = int(text)
    except ValueError:
        number = at_least - 1
    if number < at_least:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number of {at_least} or more")
    return number
