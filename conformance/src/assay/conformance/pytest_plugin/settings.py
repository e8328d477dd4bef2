"""The options of the plugin, and what counts when an option, an argument and the configuration file disagree."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, TypeVar

import pytest
from assay.conformance.model.errors import UsageError
from assay.conformance.model.expectations import Expectation
from assay.conformance.pytest_plugin.suites import Suite
from assay.conformance.timing import DEFAULT_TIMEOUT

Number = TypeVar("Number", int, float)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """How the checks of a suite run.

    Attributes:
      seed: Where every build and every run starts from.
      strict: Whether SHOULD rules, and rules that could not be run, count.
      max_examples: How many cases a property search looks at; each rule's own number when None.
      timeout: Seconds that one check may take; no limit when None.
      expectations: Failures that the owner knows of, with the ids of rules.
      options: What was given on pytest's command line, to be given again when a failure is replayed.
    """

    seed: int
    strict: bool
    max_examples: int | None
    timeout: float | None
    expectations: tuple[Expectation, ...] = ()
    options: str = ""


def settings_of(config: pytest.Config, suite: Suite) -> Settings:
    """Return the settings of a suite: an option of the command line first, then an argument, then the configuration.

    Raises:
      UsageError: If the configuration file holds no number where one belongs.
    """
    seed = _first(config, suite, "seed", int)
    timeout = _first(config, suite, "timeout", float)
    return Settings(
        seed=0 if seed is None else seed,
        strict=bool(config.getoption("assay_strict"))
        or (bool(config.getini("assay_strict")) if suite.strict is None else suite.strict),
        max_examples=_first(config, suite, "max_examples", int),
        timeout=DEFAULT_TIMEOUT if timeout is None else timeout or None,
        options="".join(
            f" --assay-{name.replace('_', '-')} {config.getoption(f'assay_{name}')}"
            for name in ("seed", "max_examples", "timeout")
            if config.getoption(f"assay_{name}") is not None
        ),
    )


def _first(config: pytest.Config, suite: Suite, name: str, number: Callable[[Any], Number]) -> Number | None:
    """A number from the command line, the suite's arguments, or the configuration file; None when nobody says it."""
    for value in (config.getoption(f"assay_{name}"), getattr(suite, name)):
        if value is not None:
            return number(value)
    text = config.getini(f"assay_{name}")
    if not text:
        return None
    try:
        return number(text)
    except ValueError:
        where = config.inipath or "the configuration"
        raise UsageError(f"assay_{name} in {where} must be a number; it is {text!r}.") from None
