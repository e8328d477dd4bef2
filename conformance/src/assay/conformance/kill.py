"""The kill table: that every mutant fails its own rule, and that every twin passes every rule of its kind."""

from __future__ import annotations

import dataclasses
from typing import Any

from assay.conformance.model.kinds import Kind
from assay.conformance.model.subject import Subject
from assay.conformance.model.vocabulary import Outcome
from assay.conformance.registry import all_rules, rules_for
from assay.conformance.runner import run_rule
from assay.conformance.session import Session
from assay.conformance.specimens import ALL_SPECIMENS


@dataclasses.dataclass(frozen=True, kw_only=True)
class MutantRow:
    """What a rule made of one of its mutants.

    Attributes:
      rule: The rule's id.
      slug: The rule's slug.
      mutant: The mutant's name.
      outcomes: The outcome in each mode of the rule.
    """

    rule: str
    slug: str
    mutant: str
    outcomes: dict[str, str]

    @property
    def killed(self) -> bool:
        """Whether the rule failed it in a mode, and its check broke in none."""
        return Outcome.FAIL in self.outcomes.values() and Outcome.ERROR not in self.outcomes.values()


@dataclasses.dataclass(frozen=True, kw_only=True)
class TwinRow:
    """What all rules of its kind made of one twin.

    Attributes:
      twin: The twin's name.
      counts: How many results there are of each outcome.
      unsound: `T101 (graph): fail` for each result that is neither a pass nor not-applicable.
    """

    twin: str
    counts: dict[str, int]
    unsound: tuple[str, ...]


def mutant_rows(kind: Kind) -> list[MutantRow]:
    """Run every rule of a kind on its own mutants."""
    rows = []
    for entry in all_rules():
        for mutant in entry.mutants if entry.rule.kind is kind else ():
            session = Session(mutant)
            outcomes = {
                mode.value: run_rule(
                    entry, session, kind=mutant.kind or kind, target=entry.rule.home, mode=mode
                ).outcome.value
                for mode in entry.rule.modes
            }
            rows.append(MutantRow(rule=entry.rule.id, slug=entry.rule.slug, mutant=mutant.name, outcomes=outcomes))
    return rows


def twin_rows(kind: Kind) -> list[TwinRow]:
    """Run every rule that a kind promises on every twin of the kind; the runs of one twin are shared between them."""
    rows = []
    for twin in [one for one, its_kind in all_twins() if its_kind is kind]:
        session = Session(twin)
        counts: dict[str, int] = {}
        unsound = []
        for entry in rules_for(kind):
            for mode in entry.rule.modes:
                outcome = run_rule(entry, session, kind=kind, target=entry.rule.home, mode=mode).outcome
                counts[outcome.value] = counts.get(outcome.value, 0) + 1
                if outcome not in (Outcome.PASS, Outcome.NOT_APPLICABLE):
                    unsound.append(f"{entry.rule.id} ({mode}): {outcome}")
        rows.append(TwinRow(twin=twin.name, counts=counts, unsound=tuple(unsound)))
    return rows


def all_twins() -> list[tuple[Subject, Kind]]:
    """Return the specimens and the distinct twins of the rules, each with its kind."""
    distinct = {id(one): (one, one.kind) for one in ALL_SPECIMENS if one.kind is not None}
    for entry in all_rules():
        distinct.setdefault(id(entry.twin), (entry.twin, entry.twin.kind or entry.rule.kind))
    return list(distinct.values())


def as_dict(row: MutantRow | TwinRow) -> dict[str, Any]:
    """A row as plain JSON values."""
    return dataclasses.asdict(row)
