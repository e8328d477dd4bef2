"""The runner: runs each rule alone on a subject and turns whatever happens into a result."""

from __future__ import annotations

import contextlib
import dataclasses
import time
import traceback
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Protocol

from assay.conformance.bundles.calling_programs import call_programs
from assay.conformance.context import Context
from assay.conformance.messages import replay_line, subject_error_finding
from assay.conformance.model.errors import NotApplicable, NotRun, OutOfTime, SubjectError, Violation
from assay.conformance.model.kinds import Kind
from assay.conformance.model.result import Finding, Result
from assay.conformance.model.rule import RegisteredRule
from assay.conformance.model.subject import Subject
from assay.conformance.model.vocabulary import Evidence, Mode, Outcome, Target
from assay.conformance.session import Session
from assay.conformance.targets.carrying_out import carry_out, evidence_of, modes_of
from assay.conformance.targets.tpu.topologies import DEFAULT_TOPOLOGY, Topology
from assay.conformance.timing import time_limit

_CLOSED = "{} failed, so nothing else could be observed. Mend that first."
_CLOSING = (Outcome.FAIL, Outcome.ERROR, Outcome.NOT_RUN)


@dataclasses.dataclass(frozen=True)
class Step:
    """One rule in one mode, about to be run.

    Attributes:
      rule: The rule's id.
      mode: The mode.
    """

    rule: str
    mode: Mode


class Others(Protocol):
    """What runs rules of the same subject at the same time; see `processes.sharing`."""

    def start(self, steps: Sequence[Step]) -> None:
        """Hand out steps, in the order of the results."""

    def result_of(self, step: Step) -> Result | None:
        """Return what was found of a step, or None when it is to be run here."""


def run_subject(
    subject: Subject,
    entries: Iterable[RegisteredRule],
    *,
    kind: Kind,
    gates: Iterable[RegisteredRule] = (),
    target: Target = Target.CPU,
    modes: Iterable[Mode] | None = None,
    session: Session | None = None,
    seed: int = 0,
    max_examples: int | None = None,
    topology: Topology = DEFAULT_TOPOLOGY,
    timeout: float | None = None,
    skip: Collection[Step] = (),
    closed: str = "",
    others: Others | None = None,
    on_start: Callable[[Step], None] | None = None,
    on_notes: Callable[[tuple[str, ...]], None] | None = None,
) -> Iterator[Result]:
    """Check one subject on one target, rule by rule, and yield a result for each rule and mode as it is known.

    The gates (the subject can be made and called at all) run first. When one fails, the rest are not run: a subject
    that cannot be constructed gets one failure, not one a rule. A gate that was not asked for speaks up only then.

    Args:
      subject: What is checked.
      entries: The rules to run.
      kind: The subject's kind.
      gates: The rules without which nothing can be observed.
      target: The device the results speak about.
      modes: Only these modes; all that a rule declares when None. Gates run in theirs.
      session: What the rules share, when other targets share it too; a new one when None.
      seed: Where every build and every run starts from.
      max_examples: How many cases a property search looks at; each rule's own number when None.
      topology: The TPU to compile for where there is none.
      timeout: Seconds that one check may take; no limit when None.
      skip: Steps that are known already, and have no result here.
      closed: Why nothing can be observed, when that is known already; then nothing is run.
      others: What runs rules at the same time, when anything does; the results come in the same order.
      on_start: Called before each step.
      on_notes: Called at the end with what was inferred about the subject.
    """
    session = session or Session(subject, seed=seed, max_examples=max_examples, topology=topology)
    entries, gates = list(entries), list(gates)
    asked = {entry.rule.id for entry in entries}

    def run(entry: RegisteredRule, mode: Mode) -> Result:
        if on_start is not None:
            on_start(Step(entry.rule.id, mode))
        found = None if others is None else others.result_of(Step(entry.rule.id, mode))
        if found is not None:
            blank = _blank(entry, session, kind=kind, target=target, mode=mode)
            return dataclasses.replace(found, subject=blank.subject, origin=blank.origin, replay=blank.replay)
        return run_rule(entry, session, kind=kind, target=target, mode=mode, timeout=timeout)

    passed = {gate.rule.id for gate in gates}
    for gate in [] if closed else gates:
        for mode in gate.rule.modes:
            result = run(gate, mode)
            failed = result.outcome in _CLOSING
            if failed and not closed:
                closed = result.message if result.outcome is Outcome.NOT_RUN else _CLOSED.format(gate.rule.id)
            if (failed or gate.rule.id in asked) and Step(gate.rule.id, mode) not in skip:
                yield result
    wanted = None if modes is None else set(modes)
    left = [
        (entry, mode)
        for entry in entries
        for mode in modes_of(entry.rule, target)
        if entry.rule.id not in passed and (wanted is None or mode in wanted) and Step(entry.rule.id, mode) not in skip
    ]
    if others is not None and not closed:
        others.start([Step(entry.rule.id, mode) for entry, mode in left])
    for entry, mode in left:
        if closed:
            blank = _blank(entry, session, kind=kind, target=target, mode=mode)
            yield dataclasses.replace(blank, outcome=Outcome.NOT_RUN, evidence=Evidence.NONE, message=closed)
        else:
            yield run(entry, mode)
    if on_notes is not None:
        on_notes(tuple(session.notes))


def run_rule(
    entry: RegisteredRule,
    session: Session,
    *,
    kind: Kind,
    target: Target = Target.CPU,
    mode: Mode = Mode.EAGER,
    timeout: float | None = None,
) -> Result:
    """Run one rule on one subject in one mode; whatever happens becomes the result."""
    rule = entry.rule
    blank = _blank(entry, session, kind=kind, target=target, mode=mode)
    outcome, evidence, finding, message = Outcome.PASS, evidence_of(rule, target), None, ""
    ctx = Context(rule_id=rule.id, session=session, target=target, mode=mode)
    start = time.perf_counter()
    try:
        if target not in rule.targets:
            raise NotApplicable(f"The rule does not speak about the target {target}.")
        with time_limit(timeout), session.recording(rule.id) if mode is Mode.XLA else contextlib.nullcontext():
            evidence = carry_out(entry, ctx)
            if session.recorder is not None and mode is Mode.XLA and entry.programs is not None:
                call_programs(entry, ctx)
    except Violation as violation:
        outcome, evidence = Outcome.FAIL, violation.evidence or evidence
        finding = Finding(rule.requirement, violation.observed, violation.cause, violation.fix)
    except SubjectError as error:
        outcome = Outcome.FAIL
        finding = subject_error_finding(rule, error, already=session.report(error, f"{rule.id} ({mode})"))
    except NotApplicable as lifted:
        outcome, evidence, message = Outcome.NOT_APPLICABLE, Evidence.NONE, lifted.reason
    except (NotRun, OutOfTime) as absent:
        outcome, evidence, message = Outcome.NOT_RUN, Evidence.NONE, str(absent)
    except Exception:
        outcome, evidence = Outcome.ERROR, Evidence.NONE
        message = f"The check itself broke; nothing is known about the subject.\n{traceback.format_exc().rstrip()}"
    return dataclasses.replace(
        blank,
        outcome=outcome,
        evidence=evidence,
        finding=finding,
        message=finding.as_text(blank.replay) if finding else message,
        notes=tuple(ctx.learnt),
        seconds=time.perf_counter() - start,
    )


def _blank(entry: RegisteredRule, session: Session, *, kind: Kind, target: Target, mode: Mode) -> Result:
    """A result that says what it is about, and nothing yet of what became of it."""
    rule, subject = entry.rule, session.subject
    return Result(
        subject=subject.name,
        origin=subject.origin,
        kind=kind.value,
        rule=rule.id,
        slug=rule.slug,
        level=rule.level,
        target=target.value,
        mode=mode.value,
        evidence=evidence_of(rule, target),
        outcome=Outcome.PASS,
        replay=replay_line(subject, rule, kind=kind, target=target, mode=mode, seed=session.seed),
    )
