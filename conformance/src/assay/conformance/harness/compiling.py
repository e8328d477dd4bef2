"""Compiling a step, and reading what a compiler says that refuses one: the operations, and the lines that made them."""

from __future__ import annotations

import dataclasses
import re
import traceback
from collections.abc import Callable
from typing import Any

from assay.conformance.bundles.recording import active_recorder
from assay.conformance.bundles.watching import watched
from assay.conformance.harness.places import Place, frames_in, own_place
from assay.conformance.harness.replacements import FIXED_SIZE, replacement_for
from assay.conformance.harness.standing_in import through_xla
from assay.conformance.model.errors import SubjectError, Violation
from assay.conformance.model.vocabulary import Target

_UNSUPPORTED = re.compile(r"(?P<kind>\w+) \(No registered '(?P=kind)' OpKernel")
_NODE = re.compile(r"\[?\[?\{\{(?:function_node|node) [^}]*\}\}\]?\]?:?")
_FUNCTION = re.compile(r"\b__inference_(\w+?)_\d+(?:\[[^\]]*\])?")
_SIGNS_OF_A_COMPILER = ("XLA", "tf2xla", "compile", "HLO", "compilation")
_CREATED = "The op is created at"
_LOWERING = "Failed getting HLO text: '"
_NO_CONSTANT = re.compile(r"Input \d+ to node `[^`]*` with op (?P<kind>\w+) must be a compile-time constant")
_MOST_CHARACTERS = 240
_TRACING = (
    (
        (
            "tf.function only supports singleton tf.Variables",
            "tf.function-decorated function tried to create variables",
        ),
        "makes a variable each time it is called,",
        "a compiled program has its variables before it runs: one that is made inside belongs to nobody",
        "Make variables once, in `__init__` or `build`; what changes from call to call need not be one.",
    ),
    (
        ("has no attribute 'numpy'", "Cannot convert a symbolic", "symbolic `tf.Tensor` as a Python `bool`"),
        "asks for the values of a tensor while it is traced,",
        "a tensor has no values while it is traced; a program is compiled once for all values",
        "Use TensorFlow operations in place of NumPy and Python: `tf.argmax`, `tf.where`, `tf.cond`.",
    ),
)
"""Exceptions while tracing by their words: what was seen, the cause, and the fix."""


@dataclasses.dataclass(frozen=True)
class Refusal:
    """Why a compiler would not take a step.

    Attributes:
      kinds: The types of the operations that it has no kernel for, or that need a constant, when it says so.
      lacks_constant: Whether an operation needs a constant, and is given what is computed from values.
      said: What it says otherwise, in one line.
      place: The subject's line that made the operation, when the compiler names it.
    """

    kinds: tuple[str, ...]
    said: str
    place: Place | None
    lacks_constant: bool = False


def compiled(function: Callable[..., Any], target: Target, *, name: str = "a function") -> Callable[..., Any]:
    """Return a function that runs compiled for a target: the one place where the suite reaches a compiler.

    It is XLA, through `jit_compile=True`, which compiles for the device that the function is called on, once for each
    signature, at the first call. While a check is recorded, its calls are.

    Args:
      function: Takes and returns nested tensors.
      target: What to compile for.
      name: What a recording calls it.
    """
    import tensorflow as tf

    del target  # every one of them is compiled for in the same way
    return through_xla(recorded(tf.function(function, jit_compile=True), function, name=name))


def recorded(traced: Callable[..., Any], function: Callable[..., Any], *, name: str) -> Callable[..., Any]:
    """Return a traced function that is recorded, while the check of a rule is.

    Args:
      traced: A `tf.function`.
      function: What it was made of; compiled in its stead where the recording is taken elsewhere.
      name: What the recording calls it.
    """
    recorder = active_recorder()
    return traced if recorder is None else watched(traced, function, recorder, name)


def refusal_of(error: SubjectError) -> Refusal | None:
    """Return what the compiler said, or None when the exception is not a compiler's.

    Args:
      error: What came out of a compiled step.
    """
    import tensorflow as tf

    text = str(error.original)
    lowered = isinstance(error.original, ValueError) and text.startswith(_LOWERING)
    at_work = isinstance(error.original, tf.errors.OpError) and any(sign in text for sign in _SIGNS_OF_A_COMPILER)
    if not (lowered or at_work):
        return None
    text = text.removeprefix(_LOWERING).removesuffix("'")
    place = own_place(frames_in(text))
    wanting = tuple(dict.fromkeys(match["kind"] for match in _NO_CONSTANT.finditer(text)))
    if wanting:
        return Refusal(wanting, _in_one_line(text), place, lacks_constant=True)
    kinds = tuple(dict.fromkeys(match["kind"] for match in _UNSUPPORTED.finditer(text)))
    return Refusal(kinds, _in_one_line(text), place)


def explained(error: SubjectError, what: str) -> SubjectError | Violation:
    """Return what to raise for an exception of a compiled function: why a compiler refused it, or the exception.

    Args:
      error: What came out.
      what: What was compiled: `the loss`.
    """
    refusal = refusal_of(error)
    if refusal is None:
        return _not_traceable(error, what) or error
    where = f" at {refusal.place.quoted()}" if refusal.place else ""
    if not refusal.kinds:
        return Violation(
            f"XLA refuses {what}{where}: {refusal.said}",
            cause="the operation needs a constant, a type or a shape that XLA cannot give it",
            fix="Use shapes that are known while it is traced, and types that XLA has (numbers and booleans).",
        )
    if refusal.lacks_constant:
        return Violation(
            f"XLA refuses {what}, because {refusal.kinds[0]} needs a constant, and is given what is computed from "
            f"values{where}",
            cause="a length, a bound, an axis or a shape is computed from values, and what is compiled has fixed ones",
            fix=f"Give it a Python number (an axis, `num_classes`) or a static shape. {FIXED_SIZE}",
        )
    why, instead = replacement_for(refusal.kinds)
    return Violation(
        f"XLA refuses {what}, because it has no kernel for {', '.join(refusal.kinds)}{where}", cause=why, fix=instead
    )


def _not_traceable(error: SubjectError, what: str) -> Violation | None:
    """What to raise for an exception of tracing that TensorFlow words for those who know it well."""
    frames = [(one.filename, one.lineno or 0, one.name) for one in traceback.extract_tb(error.original.__traceback__)]
    place = own_place(frames + frames_in(str(error.original)))
    where = f" at {place.quoted()}" if place else ""
    for signs, seen, cause, fix in _TRACING:
        if any(sign in str(error.original) for sign in signs):
            return Violation(f"{what} {seen}{where}", cause=cause, fix=fix)
    return None


def _in_one_line(text: str) -> str:
    """The compiler's own sentence, without the names of nodes and functions that it numbers."""
    lines = [line.strip() for line in text.partition(_CREATED)[0].splitlines() if line.strip()]
    said = _FUNCTION.sub(r"\1", _NODE.sub("", lines[0] if lines else "")).strip().rstrip(":")
    said = " ".join(said.split())
    return said if len(said) <= _MOST_CHARACTERS else f"{said[:_MOST_CHARACTERS]} ..."
