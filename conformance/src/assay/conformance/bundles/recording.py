"""Records the calls of compiled functions that the check of a rule makes: what was passed in, and what came out.

A check that reads what another has computed (`Session.share`) is given the calls behind it too, so that the calls of a
rule do not depend on which rules ran before.
"""

from __future__ import annotations

import contextlib
import contextvars
import dataclasses
from collections.abc import Callable, Hashable, Iterator
from typing import Any

import numpy as np
from assay.conformance.bundles.arrays import digest


class NotExportableError(Exception):
    """A call cannot be taken elsewhere; the message says why."""


@dataclasses.dataclass(frozen=True)
class Port:
    """An argument or a result as it was called.

    Attributes:
      name: What reports call it.
      role: `data`, `state` or `value`.
      digest: The digest of the array.
    """

    name: str
    role: str
    digest: str


@dataclasses.dataclass(frozen=True)
class Call:
    """One call of a compiled function.

    Attributes:
      what: What reports call the function.
      source: The traced function; calls of one source and one signature are calls of one program.
      lower: Returns the program as a serialised HLO module.
      inputs: Arguments, then captured values and variables, in the order of the program's parameters.
      outputs: What it returned, flat.
      after: The value of each captured variable after the call, by its place among the inputs.
      refusal: Why it cannot be taken elsewhere; empty when it can.
    """

    what: str
    source: Any
    lower: Callable[[], bytes]
    inputs: tuple[Port, ...] = ()
    outputs: tuple[Port, ...] = ()
    after: dict[int, Port] = dataclasses.field(default_factory=dict)
    refusal: str = ""


_ACTIVE: contextvars.ContextVar[Recorder | None] = contextvars.ContextVar("recorder", default=None)


class Recorder:
    """Keeps calls by the rule that made them; arrays are kept once, however often they are passed.

    Args:
      searches: Whether checks go on to inputs drawn at random, which are not recorded.

    Attributes:
      searches: As above.
      calls: All calls, in order.
      rules: The numbers of the calls that each rule rests on.
      arrays: Arrays by digest.
    """

    def __init__(self, *, searches: bool = True) -> None:
        self.searches = searches
        self.calls: list[Call] = []
        self.rules: dict[str, list[int]] = {}
        self.arrays: dict[str, np.ndarray] = {}
        self._open: list[list[int]] = []
        self._shared: dict[Hashable, list[int]] = {}

    @contextlib.contextmanager
    def rule(self, name: str) -> Iterator[None]:
        """Record what is called in this block for a rule."""
        token = _ACTIVE.set(self)
        try:
            with self._frame() as made:
                yield
        finally:
            _ACTIVE.reset(token)
            self.rules[name] = list(dict.fromkeys([*self.rules.get(name, ()), *made]))

    @contextlib.contextmanager
    def shared(self, key: Hashable) -> Iterator[None]:
        """Mark a block that makes, or looks up, what is kept under a key."""
        if key in self._shared:
            made = self._shared[key]
            yield
        else:
            with self._frame() as made:
                try:
                    yield
                finally:
                    self._shared[key] = made
        if self._open:
            self._open[-1].extend(made)

    def add(self, call: Call) -> None:
        """Keep a call for the rule that is being checked."""
        self.calls.append(call)
        if self._open:
            self._open[-1].append(len(self.calls) - 1)

    def keep(self, name: str, role: str, value: Any) -> Port:
        """Keep an array, and return what is said of it."""
        array = np.asarray(value)
        called = digest(array)
        self.arrays.setdefault(called, array)
        return Port(name, role, called)

    def paused(self) -> contextlib.AbstractContextManager[object]:
        """Return a block whose calls belong to no rule: inputs drawn at random, as many as there is time for."""
        return self._frame()

    @contextlib.contextmanager
    def _frame(self) -> Iterator[list[int]]:
        made: list[int] = []
        self._open.append(made)
        try:
            yield made
        finally:
            self._open.pop()


def unrecorded() -> contextlib.AbstractContextManager[object]:
    """Return a block whose calls are not recorded for the rule that is being checked."""
    recorder = _ACTIVE.get()
    return contextlib.nullcontext() if recorder is None else recorder.paused()


def active_recorder() -> Recorder | None:
    """Return the recorder of the rule that is being checked, or None when nothing is recorded."""
    return _ACTIVE.get()
