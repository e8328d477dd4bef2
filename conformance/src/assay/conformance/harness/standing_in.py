"""Counts the calls of functions that XLA compiled: a stand-in for a device that is not there rests on them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_calls = 0


def through_xla(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function, compiled by XLA, whose calls are counted."""

    def call(*arguments: Any) -> Any:
        global _calls
        _calls += 1
        return function(*arguments)

    return call


def read_what_xla_computed() -> None:
    """Count a look at what was computed by such calls before, and kept."""
    global _calls
    _calls += 1


def calls_through_xla() -> int:
    """Return how often this process has called what XLA compiled."""
    return _calls
