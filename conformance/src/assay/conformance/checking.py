"""`check`: run the suite on subjects from Python; the command line calls the same function."""

from __future__ import annotations

import dataclasses
import datetime
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from assay.conformance.devices import set_up_devices
from assay.conformance.environment import describe_environment
from assay.conformance.importing import kind_of
from assay.conformance.model.errors import UsageError
from assay.conformance.model.expectations import Expectation, apply_expectations
from assay.conformance.model.kinds import parse_kind
from assay.conformance.model.report import Report
from assay.conformance.model.result import Result
from assay.conformance.model.rule import RegisteredRule
from assay.conformance.model.subject import Subject
from assay.conformance.model.vocabulary import Mode, Target, members
from assay.conformance.registry import find_rules, rules_for, select_rules
from assay.conformance.runner import run_subject


def check(
    subject: Subject | Callable[..., Any] | Sequence[Subject | Callable[..., Any]],
    kind: str | None = None,
    *,
    sample: Any = None,
    traits: Mapping[str, Any] | None = None,
    targets: Iterable[str] = ("cpu",),
    modes: Iterable[str] | None = None,
    select: Iterable[str] | None = None,
    ignore: Iterable[str] | None = None,
    expectations: Iterable[Expectation] = (),
    strict: bool = False,
    seed: int = 0,
    on_result: Callable[[Result], None] | None = None,
) -> Report:
    """Check components against the rules of their kind.

    Two logical CPU devices are set up when TensorFlow has not started yet. When it has, with fewer, the rules that need
    two replicas come out as not-run with the remedy, and the verdict says so.

    ```python
    from assay.conformance import check

    report = check(MyTask)
    print(report.verdict.line)
    assert report.conformant, [failure.message for failure in report.failures]
    ```

    Args:
      subject: A `Subject`, a zero-argument factory of one component, or a list of them.
      kind: The kind of the component; inferred from its methods when None.
      sample: What the kind needs and the component does not bring; see `Subject`.
      traits: What the component declares about itself, on top of the subject's own.
      targets: The targets: `cpu`, `gpu`, `tpu`.
      modes: Only these modes; all that the rules declare when None.
      select: Ids or slugs of the rules to run; all of the kind when None.
      ignore: Ids or slugs of rules to leave out.
      expectations: Failures that are known, each with its reason.
      strict: Whether SHOULD rules, and rules that could not be run, count.
      seed: Where every build and every run starts from.
      on_result: Called with each result as it is known, before expectations are applied.

    Returns:
      The report.

    Raises:
      UsageError: If a rule, kind, trait, target or mode is unknown, the kind cannot be told, or nothing is left to run.
    """
    start = time.perf_counter()
    wanted_targets = members(Target, targets)
    wanted_modes = None if modes is None else members(Mode, modes)
    expected = _resolved(expectations)
    set_up_devices(wanted_targets)
    results: list[Result] = []
    promised: set[str] = set()
    for one in _as_subjects(subject, kind=kind, sample=sample, traits=traits):
        for target in wanted_targets:
            promised.update(entry.rule.id for entry in _promised(one, target))
            for result in _results_of(one, target, wanted_modes, select, ignore, seed):
                results.append(result)
                if on_result is not None:
                    on_result(result)
    if not results:
        raise UsageError("No rule is left to run: none that was selected speaks about these subjects and targets.")
    marked, expired = apply_expectations(results, expected, today=datetime.datetime.now(tz=datetime.UTC).date())
    return Report(
        results=marked,
        environment=describe_environment(seed=seed),
        promised=len(promised),
        strict=strict,
        expired=expired,
        seconds=time.perf_counter() - start,
    )


def _promised(subject: Subject, target: Target) -> list[RegisteredRule]:
    """The rules that a subject's kind promises on a target."""
    assert subject.kind is not None
    rules = rules_for(subject.kind)
    if not rules:
        raise UsageError(f"There are no rules for subjects of kind {subject.kind} in this version.")
    return [entry for entry in rules if target in entry.rule.targets]


def _results_of(
    subject: Subject,
    target: Target,
    modes: tuple[Mode, ...] | None,
    select: Iterable[str] | None,
    ignore: Iterable[str] | None,
    seed: int,
) -> Iterable[Result]:
    """The results of one subject on one target, one after another; none when no rule is left."""
    assert subject.kind is not None
    promised = _promised(subject, target)
    entries = [
        entry
        for entry in select_rules(promised, select=select, ignore=ignore)
        if modes is None or set(modes) & set(entry.rule.modes)
    ]
    if not entries:
        return ()
    gates = select_rules([entry for entry in promised if entry.rule.gate], ignore=ignore)
    return run_subject(subject, entries, gates=gates, kind=subject.kind, target=target, modes=modes, seed=seed)


def _as_subjects(value: Any, *, kind: str | None, sample: Any, traits: Mapping[str, Any] | None) -> list[Subject]:
    """The subjects among what was passed, each with its kind."""
    entries = list(value) if isinstance(value, list | tuple) else [value]
    subjects = []
    for entry in entries:
        one = entry if isinstance(entry, Subject) else Subject(entry)
        one = one.replace(
            kind=parse_kind(kind) if kind else one.kind,
            sample=one.sample if sample is None else sample,
            traits={**one.traits, **(traits or {})},
        )
        subjects.append(one.replace(kind=kind_of(one)))
    return subjects


def _resolved(expectations: Iterable[Expectation]) -> list[Expectation]:
    """The expectations with slugs replaced by ids; a slug shared by several kinds speaks of each."""
    return [
        dataclasses.replace(expectation, rule=entry.rule.id)
        for expectation in expectations
        for entry in find_rules(expectation.rule)
    ]
