"""The parts of messages that every rule shares: the replay line, and what to say of an exception of the subject."""

from __future__ import annotations

import shlex
import traceback
from pathlib import Path

from assay.conformance.model.errors import SubjectError
from assay.conformance.model.kinds import Kind
from assay.conformance.model.result import Finding
from assay.conformance.model.rule import Rule
from assay.conformance.model.subject import Subject
from assay.conformance.model.vocabulary import Mode, Target

_MOST_LINES = 6
_MOST_CHARACTERS = 700
_PACKAGE = Path(__file__).parent
_LIBRARIES = ("site-packages", "dist-packages", "/lib/python", "<frozen", "__autograph_generated_file")


def replay_line(subject: Subject, rule: Rule, *, kind: Kind, target: Target, mode: Mode, seed: int) -> str:
    """Return one line that runs a rule on a subject again: a command when the subject can be imported, else a call."""
    if not subject.origin:
        return f"check({subject.name}, kind={kind.value!r}, select=[{rule.id!r}], modes=[{mode.value!r}], seed={seed})"
    line = f"assay check {shlex.quote(subject.origin)} --kind {kind.value} --select {rule.id} --mode {mode}"
    return line + ("" if target is Target.CPU else f" --target {target}") + f" --seed {seed}"


def subject_error_finding(rule: Rule, error: SubjectError) -> Finding:
    """Return the parts of the message for an exception that came out of the subject's code."""
    where = _where(error.original)
    return Finding(
        requirement=rule.requirement,
        observed=f"{error.doing} raised {type(error.original).__name__}: {_shortened(str(error.original))}",
        cause=f"The exception comes from {where}." if where else "The exception comes from the component's own code.",
        fix="Run the replay line and mend the exception; the rule cannot be judged before that.",
    )


def _shortened(text: str) -> str:
    """The beginning of a long message: compilers print pages."""
    lines = [line for line in text.strip().splitlines() if line.strip()]
    kept = "\n    ".join(lines[:_MOST_LINES])[:_MOST_CHARACTERS]
    return kept if kept.count("\n") + 1 == len(lines) and len(kept) < _MOST_CHARACTERS else f"{kept} ..."


def _where(exception: BaseException) -> str:
    """The last line of the traceback that is neither a library's nor the suite's, as `file.py:12 in train_step`."""
    own = [
        frame
        for frame in traceback.extract_tb(exception.__traceback__)
        if not any(part in frame.filename for part in _LIBRARIES) and _PACKAGE not in Path(frame.filename).parents
    ]
    return f"{Path(own[-1].filename).name}:{own[-1].lineno} in {own[-1].name}" if own else ""
