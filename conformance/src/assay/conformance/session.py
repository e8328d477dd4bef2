"""What the rules of one subject share: components built, runs recorded and graphs traced once, then read by many.

A run is asked for by a key; the first rule to ask pays for it. A failure is remembered like a result, so that a broken
step is not run again by each rule.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Hashable
from typing import Any

from assay.conformance.bundles.recording import Recorder
from assay.conformance.harness.standing_in import calls_through_xla, read_what_xla_computed
from assay.conformance.model.errors import NotApplicable, NotRun, OutOfTime, SubjectError, Violation
from assay.conformance.model.subject import Subject
from assay.conformance.targets.tpu.topologies import DEFAULT_TOPOLOGY, Topology

_REMEMBERED = (SubjectError, Violation, NotApplicable, NotRun, OutOfTime)


class Session:
    """A cache that lives as long as the check of one subject on one target with one seed.

    Args:
      subject: The subject whose runs are kept.
      seed: The seed that every build and every run starts from.
      max_examples: How many cases a property search looks at; each rule's own number when None.
      topology: The TPU to compile for where there is none.
      recorder: Keeps the calls of compiled functions, by rule, when they are to be replayed elsewhere.

    Attributes:
      notes: What was inferred about the subject, as sentences for the report, each once and in order.
    """

    def __init__(
        self,
        subject: Subject,
        *,
        seed: int = 0,
        max_examples: int | None = None,
        topology: Topology = DEFAULT_TOPOLOGY,
        recorder: Recorder | None = None,
    ) -> None:
        self.subject = subject
        self.seed = seed
        self.max_examples = max_examples
        self.topology = topology
        self.notes: list[str] = []
        self.recorder = recorder
        self._kept: dict[Hashable, Any] = {}
        self._through_xla: set[Hashable] = set()
        self._raised: dict[Hashable, BaseException] = {}
        self._reported: dict[int, str] = {}

    def share(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """Return what `make` returned, or raise what it raised, when this key was first asked for.

        Args:
          key: Says what the value depends on, completely: two keys are equal only when their values are exchangeable.
          make: Makes the value. It must leave nothing behind that another key could see.
        """
        if self.recorder is None:
            return self._share(key, make)
        with self.recorder.shared(key):
            return self._share(key, make)

    def recording(self, rule: str) -> contextlib.AbstractContextManager[None]:
        """Return the block in which a rule is checked: what it calls is recorded where there is a recorder."""
        return contextlib.nullcontext() if self.recorder is None else self.recorder.rule(rule)

    def _share(self, key: Hashable, make: Callable[[], Any]) -> Any:
        if key in self._raised:
            raise self._raised[key]
        if key not in self._kept:
            before = calls_through_xla()
            try:
                self._kept[key] = make()
            except _REMEMBERED as exception:
                self._raised[key] = exception
                raise
            if calls_through_xla() > before:
                self._through_xla.add(key)
        elif key in self._through_xla:
            read_what_xla_computed()
        return self._kept[key]

    def report(self, error: SubjectError, rule: str) -> str:
        """Return the rule that reported this very exception before, or an empty string when this rule is the first."""
        first = self._reported.setdefault(id(error), rule)
        return "" if first == rule else first
