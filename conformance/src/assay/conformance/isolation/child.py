"""The process of one subject: reads a request from standard input and writes what it finds, a line an event."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Any

from assay.conformance.bundles.fingerprints import fingerprint
from assay.conformance.bundles.recording import Recorder
from assay.conformance.checking import as_subjects, check_subject, promised_rules
from assay.conformance.devices import quieten_environment, quieten_python, set_up_devices
from assay.conformance.environment import describe_environment
from assay.conformance.isolation.protocol import Request
from assay.conformance.model.errors import UsageError
from assay.conformance.model.vocabulary import Mode, Target, members
from assay.conformance.runner import Step
from assay.conformance.session import Session
from assay.conformance.targets.tpu.topologies import parse_topology

_STDOUT, _STDERR = 1, 2


def main() -> None:
    """Serve one request."""
    request = Request.from_dict(json.load(sys.stdin))
    # The subject may print: what it prints must not be taken for an event.
    events = os.fdopen(os.dup(_STDOUT), "w", encoding="utf-8", buffering=1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(_STDERR if request.verbose else nowhere, _STDOUT)
    if not request.verbose:
        os.dup2(nowhere, _STDERR)

    def say(event: str, **content: Any) -> None:
        events.write(json.dumps({"event": event, **content}) + "\n")

    try:
        _serve(request, say)
    except UsageError as error:
        say("usage-error", message=str(error))
    events.flush()
    # What the subject left behind (threads, exit handlers) must not change the outcome now.
    os._exit(0)


def _serve(request: Request, say: Callable[..., None]) -> None:
    targets = members(Target, request.targets)
    modes = None if request.modes is None else members(Mode, request.modes)
    quieten_environment()
    set_up_devices(targets, hide_others=True)
    if not request.verbose:
        quieten_python()
    subjects = request.spec.load()
    (subject,) = as_subjects(subjects[request.index], kind=None, sample=None, traits=None)
    say(
        "subject",
        of=len(subjects),
        name=subject.name,
        origin=subject.origin,
        options=subject.options,
        kind=subject.kind,
        environment=describe_environment(seed=request.seed),
    )
    session = Session(
        subject,
        seed=request.seed,
        max_examples=request.max_examples,
        topology=parse_topology(request.tpu_topology),
        recorder=Recorder() if request.record else None,
    )
    for target in targets:
        say("promised", rules=[entry.rule.id for entry in promised_rules(subject.kind, target)])

        def on_start(step: Step, target: Target = target) -> None:
            say("start", target=target, rule=step.rule, mode=step.mode)

        for result in check_subject(
            subject,
            target=target,
            modes=modes,
            select=request.select,
            ignore=request.ignore,
            session=session,
            timeout=request.timeout,
            skip=request.known_on(target),
            on_start=on_start,
            on_notes=lambda sentences: say("notes", sentences=sentences),
        ):
            say("result", result=result.to_dict())
    if session.recorder is not None:
        say("calls", by_rule=fingerprint(session.recorder))
    say("end")


if __name__ == "__main__":
    main()
