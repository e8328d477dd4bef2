"""One check as pytest runs it, and what the checks of one subject share in one process."""

from __future__ import annotations

import dataclasses
import datetime
import gc
from collections.abc import Iterable, Sequence

import pytest
from assay.conformance.model.expectations import Expectation, apply_expectations
from assay.conformance.model.result import Result
from assay.conformance.model.rule import RegisteredRule, Rule
from assay.conformance.model.subject import Subject
from assay.conformance.model.vocabulary import Evidence, Mode, Outcome, Target
from assay.conformance.pytest_plugin.outcomes import Found, settle
from assay.conformance.pytest_plugin.settings import Settings
from assay.conformance.runner import run_rule
from assay.conformance.session import Session

_CLOSING = (Outcome.FAIL, Outcome.ERROR, Outcome.NOT_RUN)


class SubjectRun:
    """One subject on one target: its session while checks need it, and the results that are known.

    Results are small and are kept; what the rules share (components, traces, recorded runs) is not, and is let go by
    `release` when the last check is done.

    Args:
      subject: The subject, with its kind.
      gates: The rules without which nothing else can be observed.
      target: The device that the results speak about.
      settings: How checks run.

    Attributes:
      checks: The checks that this pytest run will run, in order; deselected ones are not among them.
      pending: How many of them have not ended.
    """

    def __init__(
        self, subject: Subject, gates: Iterable[RegisteredRule], *, target: Target, settings: Settings
    ) -> None:
        self.subject = subject
        self.target = target
        self.settings = settings
        self.checks: list[RuleCheck] = []
        self.pending = 0
        self._gates = tuple(gates)
        self._session: Session | None = None
        self._results: dict[tuple[str, Mode], Result] = {}

    def result(self, entry: RegisteredRule, mode: Mode) -> Result:
        """Return the result of one rule in one mode, before expectations; each is found once in a process."""
        key = (entry.rule.id, mode)
        if key not in self._results:
            if self._session is None:
                self._session = Session(self.subject, seed=self.settings.seed, max_examples=self.settings.max_examples)
            assert self.subject.kind is not None
            self._results[key] = run_rule(
                entry,
                self._session,
                kind=self.subject.kind,
                target=self.target,
                mode=mode,
                timeout=self.settings.timeout,
            )
        return self._results[key]

    def closed_gate(self) -> Result | None:
        """Return the result of the gate that did not open, or None when everything else can be observed."""
        results = (self.result(gate, mode) for gate in self._gates for mode in gate.rule.modes)
        return next((result for result in results if result.outcome in _CLOSING), None)

    def is_gate(self, rule: Rule) -> bool:
        """Whether a rule is one of the gates."""
        return any(gate.rule.id == rule.id for gate in self._gates)

    def reporter_of(self, closed: Result) -> RuleCheck:
        """Return the one check that reports a closed gate: the gate's own, or else the first that is to run."""
        own = (check for check in self.checks if (check.rule.id, check.mode) == (closed.rule, closed.mode))
        return next(own, self.checks[0])

    def release(self) -> None:
        """Let go of what the rules shared."""
        if self._session is not None:
            self._session = None
            gc.collect()  # components, strategies and traced graphs refer to each other in circles


@dataclasses.dataclass(eq=False)
class RuleCheck:
    """One rule on one subject in one mode: the argument `check` of a test. Calling it passes, fails or skips the test.

    Attributes:
      run: What the checks of the subject share.
      entry: The rule and its check.
      mode: The mode.
      label: What ids call the subject.
      peers: All checks that were collected, this one among them.
      item: The test that is running, while it runs.
      called: Whether the test called the check.
    """

    run: SubjectRun
    entry: RegisteredRule
    mode: Mode
    _: dataclasses.KW_ONLY
    label: str
    peers: Sequence[RuleCheck] = dataclasses.field(repr=False)
    item: pytest.Item | None = None
    called: bool = False

    @property
    def subject(self) -> Subject:
        """The subject."""
        return self.run.subject

    @property
    def rule(self) -> Rule:
        """The rule."""
        return self.entry.rule

    @property
    def target(self) -> Target:
        """The target."""
        return self.run.target

    @property
    def id(self) -> str:
        """`FocalLoss-L205-zero-is-removal-replicas`; a target other than the CPU comes before the mode."""
        place = "" if self.target is Target.CPU else f"{self.target}-"
        return f"{self.label}-{self.rule.id}-{self.rule.slug}-{place}{self.mode}"

    def __repr__(self) -> str:
        return f"<check {self.id}>"

    def __call__(self) -> None:
        """Run the check, and pass, fail, skip or xfail the test that is running."""
        __tracebackhide__ = True
        if self.item is None:
            raise RuntimeError(f"{self!r} belongs to a test that pytest runs, and no such test is running.")
        self.called = True
        settle(self._found(), self.item, settings=self.run.settings, label=self.label)

    def _found(self) -> Found:
        """What became of the rule: its own result, or that of a gate that did not open."""
        closed = None if self.run.is_gate(self.rule) else self.run.closed_gate()
        if closed is None:
            found = self._judged(self.run.result(self.entry, self.mode))
            return dataclasses.replace(found, gate=self.run.is_gate(self.rule))
        if self.run.reporter_of(closed) is self:
            return dataclasses.replace(self._judged(closed), gate=True)
        return Found(self._about(), behind=closed)

    def _judged(self, result: Result) -> Found:
        """A result with the expectations applied, as the engine applies them to all results at once.

        An expectation is stale when nothing that it speaks of fails. A pass that it speaks of therefore has to look at
        the others: at those that have run already, and at the rest, which are run now, those of this subject first.
        """
        expectations = [one for one in self.run.settings.expectations if one.speaks_of(result)]
        results = [result]
        found = _applied(results, expectations)
        if found.result.outcome is not Outcome.UNEXPECTED_PASS:
            return found
        for peer in sorted(self.peers, key=lambda peer: peer.run is not self.run):
            if peer is not self and any(one.speaks_of(peer._about()) for one in expectations) and peer._reachable():
                results.append(peer.run.result(peer.entry, peer.mode))
                found = _applied(results, expectations)
            if found.result.outcome is not Outcome.UNEXPECTED_PASS:
                break
        return found

    def _reachable(self) -> bool:
        """Whether this check can be carried out: it is a gate, or no gate is closed."""
        return self.run.is_gate(self.rule) or self.run.closed_gate() is None

    def _about(self) -> Result:
        """A result that says what this check is about, and that it was not run."""
        return Result(
            subject=self.subject.name,
            origin=self.subject.origin,
            kind=str(self.subject.kind),
            rule=self.rule.id,
            slug=self.rule.slug,
            level=self.rule.level,
            target=self.target.value,
            mode=self.mode.value,
            evidence=Evidence.NONE,
            outcome=Outcome.NOT_RUN,
        )


def _applied(results: Sequence[Result], expectations: Sequence[Expectation]) -> Found:
    """The first of the results as the expectations mark it, and the expired ones that speak of it."""
    today = datetime.datetime.now(tz=datetime.UTC).date()
    marked, expired = apply_expectations(results, expectations, today=today)
    return Found(marked[0], expired=expired)
