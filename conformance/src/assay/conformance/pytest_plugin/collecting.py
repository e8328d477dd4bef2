"""From a suite to its checks: which rules and modes, in which order, and what each is called."""

from __future__ import annotations

import collections
import dataclasses
import re
from collections.abc import Iterable
from typing import Any

import pytest
from assay.conformance.checking import as_subjects, promised_rules, resolved
from assay.conformance.model.errors import UsageError
from assay.conformance.model.rule import RegisteredRule
from assay.conformance.model.subject import Subject
from assay.conformance.model.vocabulary import Mode, Target, members
from assay.conformance.project import find_project
from assay.conformance.pytest_plugin.checks import RuleCheck, SubjectRun
from assay.conformance.pytest_plugin.settings import Settings, settings_of
from assay.conformance.pytest_plugin.suites import Suite
from assay.conformance.registry import select_rules
from assay.conformance.targets.carrying_out import modes_of

COLLECTED = pytest.StashKey[list[RuleCheck]]()
"""All checks of this process, deselected ones among them: an expectation is stale only when none of them fails."""


def checks_of(suite: Suite, config: pytest.Config) -> list[RuleCheck]:
    """Return the checks of a suite: those that `assay.conformance.check` makes of the same arguments, gates first.

    Args:
      suite: What was asked for.
      config: pytest's configuration, for the options and for the project's expectations.

    Raises:
      UsageError: If a rule, kind, trait, target or mode is unknown, a kind cannot be told, or nothing is left to run.
    """
    settings = _with_expectations(suite, settings_of(config, suite), config)
    targets = members(Target, suite.targets)
    modes = None if suite.modes is None else members(Mode, suite.modes)
    subjects = _subjects(suite)
    collected = config.stash.setdefault(COLLECTED, [])
    checks: list[RuleCheck] = []
    for subject, label in zip(subjects, labels(subject.name for subject in subjects), strict=True):
        for target in targets:
            promised = promised_rules(subject.kind, target)
            entries = [
                entry
                for entry in select_rules(promised, select=suite.select, ignore=suite.ignore)
                if modes is None or set(modes) & set(modes_of(entry.rule, target))
            ]
            gates = select_rules([entry for entry in promised if entry.rule.gate], ignore=suite.ignore)
            run = SubjectRun(subject, gates, target=target, settings=settings)
            checks += [
                RuleCheck(run, entry, mode, label=label, peers=collected)
                for entry, mode in _steps(entries, {gate.rule.id for gate in gates}, modes, target)
            ]
    if not checks:
        raise UsageError("No rule is left to run: none that was selected speaks about these subjects and targets.")
    collected += checks
    return checks


def labels(names: Iterable[str]) -> list[str]:
    """Return names that are short, unique and easy to write after `-k`; several of one name get numbers."""
    plain = [_plain(name) for name in names]
    counts, taken = collections.Counter(plain), set(plain)
    found: list[str] = []
    for label in plain:
        if counts[label] > 1:
            number = 1
            while f"{label}_{number}" in taken:
                number += 1
            label = f"{label}_{number}"
            taken.add(label)
        found.append(label)
    return found


def _plain(name: str) -> str:
    """`make.<locals>.FocalLoss` as `FocalLoss`, `<lambda>` as `lambda`."""
    return re.sub(r"[^\w.+]+", "_", name.rpartition("<locals>.")[2]).strip("_.") or "subject"


def _steps(
    entries: Iterable[RegisteredRule], gates: set[str], modes: tuple[Mode, ...] | None, target: Target
) -> list[tuple[RegisteredRule, Mode]]:
    """The rules and modes to run, gates first; gates run in all their modes, as the runner does it."""
    steps = [
        (entry, mode)
        for entry in entries
        for mode in modes_of(entry.rule, target)
        if entry.rule.id in gates or modes is None or mode in modes
    ]
    return sorted(steps, key=lambda step: step[0].rule.id not in gates)


def _subjects(suite: Suite) -> list[Subject]:
    value: Any = suite.subjects
    entries = list(value) if isinstance(value, list | tuple) else [value]
    if not entries:
        raise UsageError("The list of subjects is empty: there is nothing to check.")
    for entry in entries:
        if not isinstance(entry, Subject) and not callable(entry):
            raise UsageError(
                f"A subject is a Subject or a factory that takes no arguments; received {entry!r} of type "
                f"{type(entry).__name__}."
            )
    try:
        return as_subjects(entries, kind=suite.kind, sample=suite.sample, traits=suite.traits)
    except UsageError as error:
        raise UsageError(str(error).replace("(--kind)", "(kind=...)")) from error


def _with_expectations(suite: Suite, settings: Settings, config: pytest.Config) -> Settings:
    """The settings with the expectations that count: the suite's own, or else the project's."""
    if suite.expectations is not None:
        return dataclasses.replace(settings, expectations=tuple(resolved(suite.expectations)))
    project = find_project(config.rootpath)
    return dataclasses.replace(settings, expectations=tuple(resolved(project.expectations)) if project else ())
