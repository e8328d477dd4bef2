"""A rule: its identity, its requirement in one sentence, its documentation, and what checks and proves it."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from assay.conformance.model.kinds import Kind
from assay.conformance.model.subject import Subject
from assay.conformance.model.vocabulary import Evidence, Level, Mode, Target

if TYPE_CHECKING:
    from assay.conformance.context import Context
    from assay.conformance.targets.programs import Program

_ID = re.compile(r"[A-Z]\d{3}")
_SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rule:
    """What a rule says. A rule file makes one, named `RULE`.

    Attributes:
      id: The permanent id: a kind's letter and three digits. The hundreds are 0 identity and config, 1 interface,
        2 values and accounting, 3 numerics and gradients, 4 graph and state, 5 replicas, 6 persistence.
      slug: The name that people use.
      level: MUST or SHOULD.
      requirement: What a sound component does, in one sentence.
      checks: How the check sees it, as a black box.
      why: Why it matters on real hardware and in real training runs.
      bad: A short example that breaks the rule.
      good: The same example, mended.
      modes: The modes in which the check runs.
      targets: The targets the rule speaks about.
      traits: The names of traits that change it.
      references: Where the trap is on record: `owner/repository#number`, papers, documentation.
      evidence: What a result of the rule rests on.
      gate: Whether nothing else can be observed of a subject that fails; a gate runs first.
      compiled_modes: Further modes in which the compiler of a TPU that is not there is asked.
    """

    id: str
    slug: str
    level: Level
    requirement: str
    checks: str
    why: str
    bad: str
    good: str
    modes: tuple[Mode, ...]
    targets: tuple[Target, ...] = (Target.CPU,)
    traits: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    evidence: Evidence = Evidence.EXECUTED
    gate: bool = False
    compiled_modes: tuple[Mode, ...] = ()

    def __post_init__(self) -> None:
        if not _ID.fullmatch(self.id):
            raise ValueError(f"Rule.id must be a letter and three digits; received {self.id!r}.")
        if not _SLUG.fullmatch(self.slug):
            raise ValueError(
                f"Rule.slug of {self.id} must be lower-case words joined by hyphens; received {self.slug!r}."
            )
        if not self.modes or not self.targets:
            raise ValueError(f"Rule {self.id} must name at least one mode and one target.")

    @property
    def home(self) -> Target:
        """The target that its mutants and its twin are judged on: the CPU, unless it speaks of another alone."""
        return Target.CPU if Target.CPU in self.targets else self.targets[0]

    @property
    def kind(self) -> Kind:
        """The kind of component that the rule speaks about, from the letter of its id."""
        return next(kind for kind in Kind if kind.letter == self.id[0])


@dataclasses.dataclass(frozen=True)
class RegisteredRule:
    """A rule with what its file holds beside it.

    Attributes:
      rule: What the rule says.
      check: Checks one subject in one mode: returns None when it passes, raises `Violation` or `NotApplicable`.
      mutants: Small components that are wrong in exactly this way; the first is the plainest.
      twin: A component that is right, and passes every rule of its kind.
      programs: Returns what a target must be able to compile, where the rule is about that; None where it is not.
    """

    rule: Rule
    check: Callable[[Context], None]
    mutants: tuple[Subject, ...]
    twin: Subject
    programs: Callable[[Context], Sequence[Program]] | None = None
