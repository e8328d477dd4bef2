"""The runner: runs each rule alone on a subject and turns whatever happens into a result."""

from __future__ import annotations

import time
import traceback
from collections.abc import Iterable, Iterator

from assay.conformance.context import Context
from assay.conformance.messages import replay_line, subject_error_finding
from assay.conformance.model.errors import NotApplicable, NotRun, SubjectError, Violation
from assay.conformance.model.kinds import Kind
from assay.conformance.model.result import Finding, Result
from assay.conformance.model.rule import RegisteredRule
from assay.conformance.model.subject import Subject
from assay.conformance.model.vocabulary import Evidence, Mode, Outcome, Target
from assay.conformance.session import Session

_CLOSED = "{} failed, so nothing else could be observed. Mend that first."


def run_subject(
    subject: Subject,
    entries: Iterable[RegisteredRule],
    *,
    kind: Kind,
    gates: Iterable[RegisteredRule] = (),
    target: Target = Target.CPU,
    modes: Iterable[Mode] | None = None,
    seed: int = 0,
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
      seed: Where every build and every run starts from.
    """
    session = Session(subject, seed=seed)
    entries = list(entries)
    asked = {entry.rule.id for entry in entries}
    closed = ""
    for gate in gates:
        for mode in gate.rule.modes:
            result = run_rule(gate, session, kind=kind, target=target, mode=mode)
            failed = result.outcome in (Outcome.FAIL, Outcome.ERROR, Outcome.NOT_RUN)
            if failed and not closed:
                closed = result.message if result.outcome is Outcome.NOT_RUN else _CLOSED.format(gate.rule.id)
            if failed or gate.rule.id in asked:
                yield result
    passed = {gate.rule.id for gate in gates}
    for entry in entries:
        for mode in entry.rule.modes:
            if entry.rule.id in passed or (modes is not None and mode not in set(modes)):
                continue
            if closed:
                yield _unreached(entry, session, kind, target, mode, closed)
            else:
                yield run_rule(entry, session, kind=kind, target=target, mode=mode)


def run_rule(
    entry: RegisteredRule, session: Session, *, kind: Kind, target: Target = Target.CPU, mode: Mode = Mode.EAGER
) -> Result:
    """Run one rule on one subject in one mode; whatever happens becomes the result."""
    rule, subject = entry.rule, session.subject
    replay = replay_line(subject, rule, kind=kind, target=target, mode=mode, seed=session.seed)
    outcome, evidence, finding, message = Outcome.PASS, Evidence.EXECUTED, None, ""
    start = time.perf_counter()
    try:
        if target not in rule.targets:
            raise NotApplicable(f"The rule does not speak about the target {target}.")
        entry.check(Context(rule_id=rule.id, session=session, target=target, mode=mode))
    except Violation as violation:
        outcome = Outcome.FAIL
        finding = Finding(rule.requirement, violation.observed, violation.cause, violation.fix)
    except SubjectError as error:
        outcome = Outcome.FAIL
        finding = subject_error_finding(rule, error, already=session.report(error, f"{rule.id} ({mode})"))
    except NotApplicable as lifted:
        outcome, evidence, message = Outcome.NOT_APPLICABLE, Evidence.NONE, lifted.reason
    except NotRun as absent:
        outcome, evidence, message = Outcome.NOT_RUN, Evidence.NONE, str(absent)
    except Exception:
        outcome, evidence = Outcome.ERROR, Evidence.NONE
        message = f"The check itself broke; nothing is known about the subject.\n{traceback.format_exc().rstrip()}"
    return Result(
        subject=subject.name,
        origin=subject.origin,
        kind=kind.value,
        rule=rule.id,
        slug=rule.slug,
        level=rule.level,
        target=target.value,
        mode=mode.value,
        evidence=evidence,
        outcome=outcome,
        message=finding.as_text(replay) if finding else message,
        replay=replay,
        seconds=time.perf_counter() - start,
        finding=finding,
    )


def _unreached(entry: RegisteredRule, session: Session, kind: Kind, target: Target, mode: Mode, reason: str) -> Result:
    """The result of a rule behind a gate that did not open."""
    rule = entry.rule
    return Result(
        subject=session.subject.name,
        origin=session.subject.origin,
        kind=kind.value,
        rule=rule.id,
        slug=rule.slug,
        level=rule.level,
        target=target.value,
        mode=mode.value,
        evidence=Evidence.NONE,
        outcome=Outcome.NOT_RUN,
        message=reason,
        replay=replay_line(session.subject, rule, kind=kind, target=target, mode=mode, seed=session.seed),
    )
