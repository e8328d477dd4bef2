"""One result: what became of one rule, on one subject, on one target, in one mode."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from assay.conformance.model.vocabulary import Evidence, Level, Outcome


@dataclasses.dataclass(frozen=True)
class Finding:
    """The parts of a failure message.

    Attributes:
      requirement: The rule's requirement sentence.
      observed: What was seen, with numbers.
      cause: The most likely cause.
      fix: How to mend it.
    """

    requirement: str
    observed: str
    cause: str
    fix: str

    def as_text(self, replay: str) -> str:
        """The whole message, one labelled part a line."""
        return (
            f"Required:     {self.requirement}\n"
            f"Observed:     {self.observed}\n"
            f"Likely cause: {self.cause}\n"
            f"Fix:          {self.fix}\n"
            f"Replay:       {replay}"
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Result:
    """What became of one rule.

    Attributes:
      subject: The subject's name.
      origin: Where the subject can be imported from, or an empty string.
      kind: The subject's kind.
      rule: The rule's id.
      slug: The rule's slug.
      level: The rule's level.
      target: The target the result speaks about.
      mode: The mode the subject ran in.
      evidence: What the result rests on.
      outcome: What became of the rule.
      message: Empty for a pass; else the failure message, or the reason.
      replay: One line that runs this rule on this subject again.
      seconds: How long the check took; work shared between rules counts for the rule that came first.
      finding: The parts of the failure message, when it is one.
      reason: Why an expectation says that it fails, or an empty string.
      device: The device that a replay of the check's calls ran on; an empty string when nothing was replayed.
      notes: What was learnt about the subject on the target beside the outcome: a compiler's figures, what runs on
        the host.
    """

    subject: str
    origin: str
    kind: str
    rule: str
    slug: str
    level: Level
    target: str
    mode: str
    evidence: Evidence
    outcome: Outcome
    message: str = ""
    replay: str = ""
    seconds: float = 0.0
    finding: Finding | None = None
    reason: str = ""
    device: str = ""
    notes: tuple[str, ...] = ()

    @property
    def rests_on(self) -> str:
        """The evidence in words, with the name of the device where it was replayed there."""
        return f"{self.evidence.value} on {self.device}" if self.device else self.evidence.value

    def to_dict(self) -> dict[str, Any]:
        """The result as plain JSON values."""
        plain = dataclasses.asdict(self)
        plain["seconds"] = round(self.seconds, 4)
        plain["notes"] = list(self.notes)
        return plain

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Result:
        """The result that `to_dict` wrote, from its JSON values."""
        finding = plain["finding"]
        return cls(
            **{
                **plain,
                "level": Level(plain["level"]),
                "evidence": Evidence(plain["evidence"]),
                "outcome": Outcome(plain["outcome"]),
                "finding": None if finding is None else Finding(**finding),
                "notes": tuple(plain["notes"]),
            }
        )
