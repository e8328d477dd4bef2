"""Sharing the rules of one subject with other processes: they take rules from the end of the list, this one the first.

They meet where they meet. A rule belongs to the process that claims it first, with all its modes and with rules that
read the same costly runs. What another process finds to hold is taken over; anything else is found once more by this
one, so that a report does not tell who found it.
"""

from __future__ import annotations

import dataclasses
import itertools
import os
import pickle
import time
from collections.abc import Sequence
from pathlib import Path

from assay.conformance.context import Context
from assay.conformance.model.errors import NotRun
from assay.conformance.model.kinds import Kind
from assay.conformance.model.result import Result
from assay.conformance.model.vocabulary import Mode, Outcome, Target
from assay.conformance.processes.carrying import Parcel, pack, unpack
from assay.conformance.processes.folders import KeptFolder
from assay.conformance.processes.new_process import CAN_FORK, Work
from assay.conformance.registry import find_rule
from assay.conformance.runner import Step, run_rule
from assay.conformance.session import Session

FEWEST_RULES = 8
"""With fewer rules another process is not worth its start."""

_TOGETHER = {"T605": "T601"}  # both read the runs that write checkpoints, on one replica and on two
_TAKEN_OVER = (Outcome.PASS, Outcome.NOT_APPLICABLE)
_LOOK_EVERY = 0.01  # seconds
_LATE = 30.0  # seconds beyond the budget of a check, after which a process is given up


@dataclasses.dataclass(frozen=True)
class Found:
    """What another process found of one rule in one mode.

    Attributes:
      result: The result.
      notes: What was inferred about the subject on the way.
    """

    result: Result
    notes: tuple[str, ...]


class OtherProcesses:
    """Processes that share the rules of one subject.

    Args:
      session: The subject, the seed and what else a check depends on.
      kind: The subject's kind.
      target: The target.
      timeout: Seconds that one check may take; no limit when None.
      count: How many processes.
    """

    def __init__(self, session: Session, *, kind: Kind, target: Target, timeout: float | None, count: int = 1) -> None:
        self._session = session
        self._kind = kind
        self._target = target
        self._timeout = timeout
        self._count = count
        self._folder = KeptFolder("assay-shared-")
        self._works: list[Work] = []
        self._handed_out: set[str] = set()
        self._mine: set[str] = set()  # claims

    def start(self, steps: Sequence[Step]) -> None:
        """Hand out steps, the last ones first, unless there are few or the subject cannot be made elsewhere."""
        rules = [
            (rule, [step.mode for step in group]) for rule, group in itertools.groupby(steps, lambda one: one.rule)
        ]
        if len(rules) < FEWEST_RULES or not CAN_FORK or self._session.recorder is not None:
            return
        try:
            parcel = pack(Context(rule_id=rules[-1][0], session=self._session, target=self._target))
        except NotRun:
            return
        self._handed_out = {rule for rule, _ in rules}
        self._works = [
            Work(
                take_from_the_end,
                self._target,
                parcel=parcel,
                kind=self._kind,
                rules=rules,
                folder=self._folder.name,
                timeout=self._timeout,
            )
            for _ in range(self._count)
        ]

    def result_of(self, step: Step) -> Result | None:
        """Return what another process found, or None when this one has to look itself.

        A rule that nobody has claimed is claimed for this process; one that another process is at is waited for.
        """
        claim = _claim_for(step.rule)
        if step.rule not in self._handed_out or claim in self._mine:
            return None
        if _take(self._folder.name, claim):
            self._mine.add(claim)
            return None
        found = self._wait_for(_path_of(self._folder.name, step))
        if found is None or found.result.outcome not in _TAKEN_OVER:
            return None
        self._session.notes.extend(note for note in found.notes if note not in self._session.notes)
        return found.result

    def close(self) -> None:
        """End the processes."""
        for work in self._works:
            work.end()
        self._works = []

    def _wait_for(self, path: Path) -> Found | None:
        start = time.monotonic()
        while not path.exists():
            late = self._timeout and time.monotonic() - start > self._timeout + _LATE
            if late or all(work.ended() for work in self._works):
                break
            time.sleep(_LOOK_EVERY)
        if not path.exists():
            return None
        found = pickle.loads(path.read_bytes())
        assert isinstance(found, Found)
        return found


def take_from_the_end(
    parcel: Parcel, kind: Kind, rules: Sequence[tuple[str, Sequence[Mode]]], folder: str, timeout: float | None
) -> None:
    """Run the rules that nobody has claimed, the last first: what another process does."""
    ctx = unpack(parcel)
    for rule, _ in reversed(rules):
        claim = _claim_for(rule)
        if not _take(folder, claim):
            continue
        for one, modes in rules:
            if _claim_for(one) == claim:
                _run(ctx, kind, one, modes, folder, timeout)


def _run(ctx: Context, kind: Kind, rule: str, modes: Sequence[Mode], folder: str, timeout: float | None) -> None:
    """Run a rule in its modes, and leave behind what was found."""
    session = ctx.session
    for mode in modes:
        known = len(session.notes)
        result = run_rule(find_rule(rule), session, kind=kind, target=ctx.target, mode=mode, timeout=timeout)
        notes = tuple(session.notes[known:])
        path = _path_of(folder, Step(rule, mode))
        unfinished = path.with_suffix(".part")
        unfinished.write_bytes(pickle.dumps(Found(result, notes)))
        unfinished.replace(path)


def _claim_for(rule: str) -> str:
    return _TOGETHER.get(rule, rule)


def _take(folder: str, claim: str) -> bool:
    """Whether this process is the first to make a claim."""
    try:
        os.close(os.open(f"{folder}/{claim}", os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True


def _path_of(folder: str, step: Step) -> Path:
    return Path(f"{folder}/{step.rule}.{step.mode.value}.found")
