"""Checks subjects in processes of their own, and survives what happens there."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from assay.conformance.checking import check_subject, make_report, resolved
from assay.conformance.isolation.protocol import Request
from assay.conformance.messages import replay_line
from assay.conformance.model.errors import OutOfTime, UsageError
from assay.conformance.model.expectations import Expectation
from assay.conformance.model.kinds import Kind
from assay.conformance.model.report import Report
from assay.conformance.model.result import Finding, Result
from assay.conformance.model.subject import Subject
from assay.conformance.model.vocabulary import Evidence, Mode, Outcome, Target, members
from assay.conformance.registry import find_rule
from assay.conformance.replay.folding import Folding

_COMMAND = (sys.executable, "-m", "assay.conformance.isolation.child")
_GRACE = 10.0
"""Seconds that a check may take beyond its budget until its process is ended: the alarm within comes first."""
_END: dict[str, Any] = {"event": "closed"}


@dataclasses.dataclass
class _Progress:
    """What is known of one subject, over all the processes that were needed."""

    results: list[Result] = dataclasses.field(default_factory=list)
    promised: set[str] = dataclasses.field(default_factory=set)
    notes: list[str] = dataclasses.field(default_factory=list)
    fingerprint: dict[str, list[str]] = dataclasses.field(default_factory=dict)
    subject: dict[str, Any] = dataclasses.field(default_factory=dict)
    running: dict[str, str] | None = None

    def known(self) -> tuple[tuple[str, str, str], ...]:
        return tuple((one.target, one.rule, one.mode) for one in self.results)


def check_isolated(
    requests: Iterable[Request],
    *,
    expectations: Iterable[Expectation] = (),
    strict: bool = False,
    merge_replays: Iterable[str | Path] = (),
    on_result: Callable[[Result], None] | None = None,
) -> Report:
    """Check what requests name, each subject in a process of its own, and return one report.

    A process that dies (a segmentation fault, `os._exit`) is a failure of the rule that ran in it; one that does not
    return in time is ended, and its rule comes out as not-run. A new process goes on with the next rule.

    Args:
      requests: What to check; `index` is ignored: every subject that a specification names is checked.
      expectations: Failures that are known.
      strict: Whether SHOULD rules, and rules that could not be run, count.
      merge_replays: Reports of replays on other devices, which are folded in.
      on_result: Called with each result as it is known.

    Raises:
      UsageError: If something cannot be imported, or nothing is left to run.
    """
    start = time.perf_counter()
    requests, folding = list(requests), Folding(merge_replays)
    expected = resolved(expectations)
    results: list[Result] = []
    promised: set[str] = set()
    notes: dict[str, tuple[str, ...]] = {}
    environment: dict[str, Any] = {}
    subjects: list[Subject] = []
    for request in requests:
        request = dataclasses.replace(request, record=bool(folding))
        index, count = 0, 1
        while index < count:
            one = _check_one(dataclasses.replace(request, index=index), on_result)
            results += one.results
            promised |= one.promised
            notes[one.subject["name"]] = tuple(dict.fromkeys(one.notes))
            subjects.append(_named(one))
            folding.learn(subjects[-1].name, one.fingerprint)
            environment = environment or one.subject["environment"]
            index, count = index + 1, one.subject["of"]
    folding.require_fitting(subjects, requests[0].targets if requests else ())
    merged = folding.fold(results, seed=requests[0].seed if requests else 0)
    return make_report(
        merged.results,
        environment=environment,
        promised=promised,
        expectations=expected,
        strict=strict,
        notes=notes,
        replays=merged.replays,
        seconds=time.perf_counter() - start,
    )


def _check_one(request: Request, on_result: Callable[[Result], None] | None) -> _Progress:
    """Check one subject, in as many processes as it takes."""
    progress = _Progress()

    def keep(result: Result) -> None:
        progress.results.append(result)
        if on_result is not None:
            on_result(result)

    while True:
        progress.running = None
        how = _run_process(dataclasses.replace(request, known=progress.known()), progress, keep)
        if how is None:
            return progress
        lost = _lost_result(request, progress, how)
        keep(lost)
        if find_rule(lost.rule).rule.gate:
            for result in _unreached(request, progress, lost):
                keep(result)
            return progress


def _run_process(request: Request, progress: _Progress, keep: Callable[[Result], None]) -> Finding | OutOfTime | None:
    """Run one process to its end.

    Returns:
      None when it came to its end; else what became of the step that it was running.
    """
    with _process(request) as (process, events):
        while True:
            limit = request.timeout + _GRACE if request.timeout else None
            try:
                event = events.get(timeout=limit)
            except queue.Empty:
                assert request.timeout is not None
                if progress.running is None:
                    raise UsageError(_nothing_yet(request, f"did nothing for {limit:g} s")) from None
                return OutOfTime(request.timeout)
            name = event["event"]
            if name == "usage-error":
                raise UsageError(event["message"])
            if name == "subject":
                progress.subject = event
            elif name == "promised":
                progress.promised.update(event["rules"])
            elif name == "start":
                progress.running = {key: event[key] for key in ("target", "rule", "mode")}
            elif name == "result":
                keep(Result.from_dict(event["result"]))
            elif name == "calls":
                progress.fingerprint |= event["by_rule"]
            elif name == "notes":
                progress.notes += event["sentences"]
            elif name == "end":
                return None
            elif name == "closed":
                return _death(request, progress, process.wait())


@contextlib.contextmanager
def _process(request: Request) -> Iterator[tuple[subprocess.Popen[str], queue.Queue[dict[str, Any]]]]:
    """A process that serves a request, and its events as they come; it is ended with the block."""
    process = subprocess.Popen(
        _COMMAND,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=None if request.verbose else subprocess.DEVNULL,
        encoding="utf-8",
    )
    assert process.stdin is not None
    assert process.stdout is not None
    stdout, events = process.stdout, queue.Queue[dict[str, Any]]()

    def read() -> None:
        for line in stdout:
            events.put(json.loads(line))
        events.put(_END)

    reader = threading.Thread(target=read, daemon=True)
    try:
        with contextlib.suppress(BrokenPipeError):
            json.dump(request.to_dict(), process.stdin)
            process.stdin.close()
        reader.start()
        yield process, events
    finally:
        process.kill()
        process.wait()
        reader.join()
        stdout.close()


def _death(request: Request, progress: _Progress, code: int) -> Finding:
    """What is said of a process that ended before its work was done."""
    how = f"died of {signal.Signals(-code).name}" if code < 0 else f"left with exit code {code}"
    if progress.running is None:
        raise UsageError(_nothing_yet(request, how))
    return Finding(
        requirement=find_rule(progress.running["rule"]).rule.requirement,
        observed=f"the process {how} while the rule was running in it",
        cause="Native code that the component calls crashes, or the component ends the process itself.",
        fix="Run the replay line without --isolate to see what the process prints as it dies.",
    )


def _nothing_yet(request: Request, how: str) -> str:
    return f"The process that imports {request.spec.spec} {how}, before anything could be checked."


def _lost_result(request: Request, progress: _Progress, how: Finding | OutOfTime) -> Result:
    """The result of the step that a process was running when it was lost."""
    assert progress.running is not None
    rule, subject = find_rule(progress.running["rule"]).rule, _named(progress)
    target, mode = Target(progress.running["target"]), Mode(progress.running["mode"])
    assert subject.kind is not None
    replay = replay_line(subject, rule, kind=subject.kind, target=target, mode=mode, seed=request.seed)
    late = isinstance(how, OutOfTime)
    return Result(
        subject=subject.name,
        origin=subject.origin,
        kind=subject.kind.value,
        rule=rule.id,
        slug=rule.slug,
        level=rule.level,
        target=target.value,
        mode=mode.value,
        evidence=Evidence.NONE if late else Evidence.EXECUTED,
        outcome=Outcome.NOT_RUN if late else Outcome.FAIL,
        message=f"{how} Its process was ended." if isinstance(how, OutOfTime) else how.as_text(replay),
        replay=replay,
        finding=None if isinstance(how, OutOfTime) else how,
        seconds=how.seconds if isinstance(how, OutOfTime) else 0.0,
    )


def _unreached(request: Request, progress: _Progress, gate: Result) -> Iterator[Result]:
    """The results of all rules behind a gate that took its process with it."""
    modes = None if request.modes is None else members(Mode, request.modes)
    known = dataclasses.replace(request, known=progress.known())
    for target in members(Target, request.targets):
        yield from check_subject(
            _named(progress),
            target=target,
            modes=modes,
            select=request.select,
            ignore=request.ignore,
            seed=request.seed,
            skip=known.known_on(target),
            closed=f"{gate.rule} failed, so nothing else could be observed. Mend that first.",
        )


def _named(progress: _Progress) -> Subject:
    """A subject that is known by name alone; it is never made here."""
    about = progress.subject
    return Subject(
        object,
        kind=Kind(about["kind"]),
        name=about["name"],
        origin=about["origin"],
        options=tuple(about["options"]),
    )
