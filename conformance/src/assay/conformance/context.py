"""What a check is given: the subject, how to run it, and what the rules of one subject share."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Hashable
from typing import Any

from assay.conformance.model.errors import NotApplicable
from assay.conformance.model.subject import Subject
from assay.conformance.model.traits import TRAITS
from assay.conformance.model.vocabulary import Mode, Target
from assay.conformance.session import Session
from assay.conformance.tolerances import Tolerance, tolerance


@dataclasses.dataclass(frozen=True)
class Context:
    """One rule's view of one subject in one mode.

    Attributes:
      rule_id: The rule that is being checked; it keys the tolerance table.
      session: The cache that the rules of this subject share.
      target: The kind of device the subject runs on.
      mode: The mode the subject runs in.
      absent: The target that the result speaks about, when it has no device here and `target` stands in for it.
      learnt: What was learnt beside the outcome, as sentences about the target for the report.
    """

    rule_id: str
    session: Session
    target: Target = Target.CPU
    mode: Mode = Mode.EAGER
    absent: Target | None = None
    learnt: list[str] = dataclasses.field(default_factory=list)

    @property
    def subject(self) -> Subject:
        """The subject under check."""
        return self.session.subject

    @property
    def seed(self) -> int:
        """The seed that every build and every run starts from."""
        return self.session.seed

    def in_mode(self, mode: Mode) -> Context:
        """The same view in another mode: a reference to compare with, shared with the rules that run in it."""
        return dataclasses.replace(self, mode=mode)

    def trait(self, name: str) -> Any:
        """The value that the subject declares for a trait, or the trait's default."""
        return self.subject.traits.get(name, TRAITS[name].default)

    def not_applicable_if(self, name: str) -> None:
        """Lift the rule when the subject declares a trait.

        Raises:
          NotApplicable: If the trait is set; the reason names it.
        """
        if self.trait(name):
            raise NotApplicable(f"The subject declares the trait {name!r}. {TRAITS[name].meaning}")

    def tolerance(self, quantity: str) -> Tolerance:
        """The tolerance of a quantity for this rule on this target."""
        return tolerance(self.rule_id, quantity, self.target)

    def note(self, *sentences: str) -> None:
        """Put into the report what was inferred about the subject, each sentence once."""
        self.session.notes.extend(one for one in sentences if one not in self.session.notes)

    def learn(self, sentence: str) -> None:
        """Put into the result what was learnt beside its outcome: a compiler's figures, what runs on the host."""
        if sentence not in self.learnt:
            self.learnt.append(sentence)

    def share(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """Do something once for all rules of this subject on this target; see `Session.share`."""
        return self.session.share((self.target, key), make)
