"""The parts of messages that every rule shares: the replay line, and what to say of an exception of the subject."""

from __future__ import annotations

import re
import shlex
import traceback
from pathlib import Path

from assay.conformance.harness.places import own_place
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
_FRAME = re.compile(r'File "(?P<file>[^"]+)", line (?P<line>\d+), in (?P<name>\S+)')
_RAISED = re.compile(r"[\w.]*(Error|Exception|Warning)\b.*")
_ANNOUNCES_FRAMES = re.compile(r"in user code:|Graph execution error|most recent call last|The op is created at")
_CODE_INDENT = " " * 8


def replay_line(subject: Subject, rule: Rule, *, kind: Kind, target: Target, mode: Mode, seed: int) -> str:
    """Return one line that runs a rule on a subject again: a command when the subject can be imported, else a call."""
    if not subject.can_be_named:
        given = [name for name, value in (("sample", subject.sample is not None), ("traits", subject.traits)) if value]
        passed = "".join(f", {name}=..." for name in given)
        return (
            f"check({subject.name}, kind={kind.value!r}{passed}, select=[{rule.id!r}], modes=[{mode.value!r}], "
            f"seed={seed})"
        )
    what = " ".join(shlex.quote(part) for part in (subject.origin, *subject.options))
    line = f"assay check {what} --kind {kind.value} --select {rule.id} --mode {mode}"
    return line + ("" if target is Target.CPU else f" --target {target}") + f" --seed {seed}"


def subject_error_finding(rule: Rule, error: SubjectError, *, already: str = "") -> Finding:
    """Return the parts of the message for an exception that came out of the subject's code.

    Args:
      rule: The rule that met the exception.
      error: The exception and what was being called.
      already: The rule that reported this very exception in full before, if one did.
    """
    if already:
        return Finding(
            requirement=rule.requirement,
            observed=f"{error.doing} raised the {type(error.original).__name__} that {already} reports",
            cause=f"The same as for {already}.",
            fix=f"Mend {already} first; this rule cannot be judged before that.",
        )
    where = _own_line(error.original)
    return Finding(
        requirement=rule.requirement,
        observed=f"{error.doing} raised {type(error.original).__name__}: {_essence(error.original)}",
        cause=f"The exception comes from {where}." if where else "The exception comes from the component's own code.",
        fix="Run the replay line and mend the exception; the rule cannot be judged before that.",
    )


def _essence(exception: BaseException) -> str:
    """What an exception says, without the tracebacks and listings that graph compilers put into its message."""
    lines = [line.rstrip() for line in str(exception).strip().splitlines() if line.strip()]
    frames = [index for index, line in enumerate(lines) if _FRAME.search(line)]
    if frames:
        # Under a frame comes the line of code it stands at, indented; what follows the last one is the message itself.
        head, tail = lines[: frames[0]], lines[frames[-1] + 1 :]
        lines = [line for line in head if not _ANNOUNCES_FRAMES.search(line)]
        lines += [line for line in tail if not _is_listing(line)]
    text = " ".join(line.strip() for line in lines[:_MOST_LINES])
    text = text.removeprefix(f"{type(exception).__name__}: ")
    return text if len(text) <= _MOST_CHARACTERS and len(lines) <= _MOST_LINES else f"{text[:_MOST_CHARACTERS]} ..."


def _is_listing(line: str) -> bool:
    """Whether a line under a frame is the code there or markers under it, rather than the message."""
    return set(line.strip()) <= {"^", "~"} or (line.startswith(_CODE_INDENT) and not _RAISED.match(line.strip()))


def _own_line(exception: BaseException) -> str:
    """The innermost line that is neither a library's nor the suite's, as `file.py:12 in train_step`.

    Where there is none, the subject comes from an installed package: then the innermost line that is no framework's.
    """
    frames = [
        (frame.filename, frame.lineno or 0, frame.name) for frame in traceback.extract_tb(exception.__traceback__)
    ]
    frames += [(match["file"], int(match["line"]), match["name"]) for match in _FRAME.finditer(str(exception))]
    own = [frame for frame in frames if _is_own(frame[0])]
    if own:
        return f"{Path(own[-1][0]).name}:{own[-1][1]} in {own[-1][2]}"
    place = own_place(frames)
    return "" if place is None else str(place)


def _is_own(filename: str) -> bool:
    return not any(part in filename for part in _LIBRARIES) and _PACKAGE not in Path(filename).parents
