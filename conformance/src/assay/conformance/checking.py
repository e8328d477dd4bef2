"""`check`: run the suite on subjects from Python; the command line calls the same function."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import datetime
import functools
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from assay.conformance.devices import set_up_devices
from assay.conformance.environment import describe_environment
from assay.conformance.importing import kind_of
from assay.conformance.model.errors import UsageError
from assay.conformance.model.expectations import Expectation, apply_expectations
from assay.conformance.model.kinds import Kind, parse_kind
from assay.conformance.model.report import Report
from assay.conformance.model.result import Result
from assay.conformance.model.rule import RegisteredRule
from assay.conformance.model.subject import Subject
from assay.conformance.model.vocabulary import Mode, Target, members
from assay.conformance.processes.new_process import warm_up
from assay.conformance.processes.sharing import FEWEST_RULES, OtherProcesses
from assay.conformance.registry import find_rules, rules_for, select_rules
from assay.conformance.replay.folding import Folding
from assay.conformance.runner import run_subject
from assay.conformance.session import Session
from assay.conformance.targets.carrying_out import modes_of
from assay.conformance.targets.tpu.topologies import DEFAULT_TOPOLOGY, parse_topology
from assay.conformance.timing import DEFAULT_TIMEOUT


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
    max_examples: int | None = None,
    tpu_topology: str = DEFAULT_TOPOLOGY.name,
    timeout: float | None = DEFAULT_TIMEOUT,
    merge_replays: Iterable[str | Path] = (),
    jobs: int = 1,
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
      max_examples: How many cases a property search looks at; each rule's own number when None.
      tpu_topology: The TPU to compile for where there is none: `v5e`, `v6e:2x2`.
      timeout: Seconds that one check may take before it comes out as not-run; no limit when None.
      jobs: In how many processes the rules of a Task are run at a time, on the CPU alone. The report is the same.
      merge_replays: Reports of replays on other devices, which are folded in; rules then run in one process.
      on_result: Called with each result as it is known, before replays and expectations are applied.

    Returns:
      The report.

    Raises:
      UsageError: If a rule, kind, trait, target or mode is unknown, the kind cannot be told, nothing is left to run,
        or the report of a replay cannot be folded in.
    """
    start = time.perf_counter()
    folding = Folding(merge_replays)
    wanted_targets = members(Target, targets)
    wanted_modes = None if modes is None else members(Mode, modes)
    expected = resolved(expectations)
    topology = parse_topology(tpu_topology)
    set_up_devices(wanted_targets)
    subjects = as_subjects(subject, kind=kind, sample=sample, traits=traits)
    folding.require_fitting(subjects, wanted_targets)

    def is_shared(one: Subject) -> bool:
        if jobs == 1 or folding or wanted_targets != (Target.CPU,) or one.kind is not Kind.TASK:
            return False
        return len(select_rules(promised_rules(one.kind, Target.CPU), select=select, ignore=ignore)) >= FEWEST_RULES

    if any(map(is_shared, subjects)):
        warm_up()
    results: list[Result] = []
    promised: set[str] = set()
    notes: dict[str, tuple[str, ...]] = {}
    for one in subjects:
        recorder = folding.recorder_for(one)
        session = Session(one, seed=seed, max_examples=max_examples, topology=topology, recorder=recorder)
        for target in wanted_targets:
            promised.update(entry.rule.id for entry in promised_rules(one.kind, target))
            others = None
            if one.kind is not None and is_shared(one):
                others = OtherProcesses(session, kind=one.kind, target=target, timeout=timeout, count=jobs - 1)
            with contextlib.nullcontext() if others is None else contextlib.closing(others):
                for result in check_subject(
                    one,
                    target=target,
                    modes=wanted_modes,
                    select=select,
                    ignore=ignore,
                    session=session,
                    timeout=timeout,
                    others=others,
                    on_notes=functools.partial(notes.__setitem__, one.name),
                ):
                    results.append(result)
                    if on_result is not None:
                        on_result(result)
        folding.learn(one.name, recorder)
    merged = folding.fold(results, seed=seed)
    return make_report(
        merged.results,
        environment=describe_environment(seed=seed),
        promised=promised,
        expectations=expected,
        strict=strict,
        notes=notes,
        replays=merged.replays,
        seconds=time.perf_counter() - start,
    )


def make_report(
    results: Sequence[Result],
    *,
    environment: Mapping[str, Any],
    promised: Collection[str],
    expectations: Iterable[Expectation],
    strict: bool,
    notes: Mapping[str, tuple[str, ...]],
    seconds: float,
    replays: tuple[Mapping[str, Any], ...] = (),
) -> Report:
    """Return the report on results, with expectations applied; see `Report`.

    Raises:
      UsageError: If there is no result at all.
    """
    if not results:
        raise UsageError("No rule is left to run: none that was selected speaks about these subjects and targets.")
    today = datetime.datetime.now(tz=datetime.UTC).date()
    marked, expired = apply_expectations(results, expectations, today=today)
    return Report(
        results=marked,
        environment=environment,
        promised=len(promised),
        strict=strict,
        expired=expired,
        notes={subject: sentences for subject, sentences in notes.items() if sentences},
        seconds=seconds,
        replays=replays,
    )


def promised_rules(kind: Kind | None, target: Target) -> list[RegisteredRule]:
    """Return the rules that a kind promises on a target.

    Raises:
      UsageError: If there are none for the kind.
    """
    assert kind is not None
    rules = rules_for(kind)
    if not rules:
        raise UsageError(f"There are no rules for subjects of kind {kind} in this version.")
    return [entry for entry in rules if target in entry.rule.targets]


def check_subject(
    subject: Subject,
    *,
    target: Target,
    modes: tuple[Mode, ...] | None = None,
    select: Iterable[str] | None = None,
    ignore: Iterable[str] | None = None,
    **options: Any,
) -> Iterable[Result]:
    """Return the results of one subject, whose kind is known, on one target, one after another.

    Args:
      subject: What is checked.
      target: The device the results speak about.
      modes: Only these modes.
      select: Ids or slugs of the rules to run; all of the kind when None.
      ignore: Ids or slugs of rules to leave out.
      **options: As for `run_subject`.

    Returns:
      The results as they are known; none when no rule is left.
    """
    assert subject.kind is not None
    promised = promised_rules(subject.kind, target)
    entries = [
        entry
        for entry in select_rules(promised, select=select, ignore=ignore)
        if modes is None or set(modes) & set(modes_of(entry.rule, target))
    ]
    if not entries:
        return ()
    gates = select_rules([entry for entry in promised if entry.rule.gate], ignore=ignore)
    return run_subject(subject, entries, gates=gates, kind=subject.kind, target=target, modes=modes, **options)


def as_subjects(value: Any, *, kind: str | None, sample: Any, traits: Mapping[str, Any] | None) -> list[Subject]:
    """The subjects among what was passed, each with its kind and a name of its own: `<lambda>`, `<lambda> (2)`."""
    entries = list(value) if isinstance(value, list | tuple) else [value]
    subjects: list[Subject] = []
    seen: collections.Counter[str] = collections.Counter()
    for entry in entries:
        one = entry if isinstance(entry, Subject) else Subject(entry)
        one = one.replace(
            kind=parse_kind(kind) if kind else one.kind,
            sample=one.sample if sample is None else sample,
            traits={**one.traits, **(traits or {})},
        )
        seen[one.name] += 1
        name = one.name if seen[one.name] == 1 else f"{one.name} ({seen[one.name]})"
        subjects.append(one.replace(kind=kind_of(one), name=name))
    return subjects


def resolved(expectations: Iterable[Expectation]) -> list[Expectation]:
    """The expectations with slugs replaced by ids; a slug shared by several kinds speaks of each."""
    return [
        dataclasses.replace(expectation, rule=entry.rule.id)
        for expectation in expectations
        for entry in find_rules(expectation.rule)
    ]
