"""The manifest of a bundle: what it holds, for whom, and how results are judged; plain JSON, read with suspicion."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from assay.conformance.bundles.arrays import DTYPES
from assay.conformance.model.errors import UsageError

FORMAT = 1
"""The version of the folder's format."""

ABOUT = (
    "Compiled functions of a training component with inputs and results. `python -m assay.conformance.replay FOLDER` "
    "runs them on the accelerator that jax sees; it needs NumPy and jax, and no TensorFlow."
)
DATA, STATE, VALUE = "data", "state", "value"
"""The roles of tensors: arguments of a call, variables, and what a call returns."""

_DIGEST = re.compile(r"[0-9a-f]{64}")
_RULE = re.compile(r"[A-Z]\d{3}")
_DTYPES = frozenset(DTYPES.values())


class BundleError(UsageError):
    """A folder is no bundle, or not whole; the message names the file and what is wrong with it."""


@dataclasses.dataclass(frozen=True)
class Tensor:
    """One argument or result of a program.

    Attributes:
      name: What reports call it.
      shape: Its shape.
      dtype: Its dtype, a value of `DTYPES`.
      role: `data` (an argument), `state` (a variable) or `value` (what the function returns).
      updates: Of a result that is the new value of a variable: the number of the argument that held the old one.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    role: str
    updates: int | None = None


@dataclasses.dataclass(frozen=True)
class Case:
    """One call of a program.

    Attributes:
      id: The digest of the program and of the data it was called with; variables are not part of it.
      rules: The rules whose check made the call.
      inputs: Digests of the arguments.
      outputs: Digests of what the CPU computed.
      references: Digests of the same in float64; an empty one where there is none.
    """

    id: str
    rules: tuple[str, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    references: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Program:
    """One compiled function.

    Attributes:
      id: The SHA-256 of its StableHLO.
      name: What reports call it.
      inputs: Its arguments, variables last.
      outputs: Its results, new values of variables last.
      custom_calls: What it calls that not every platform has.
      own_generator: Whether it draws random numbers of which each platform has its own.
      cases: Its calls.
    """

    id: str
    name: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    custom_calls: tuple[str, ...]
    own_generator: bool
    cases: tuple[Case, ...]


@dataclasses.dataclass(frozen=True)
class Manifest:
    """What a bundle holds.

    Attributes:
      subject: The subject's name, origin and kind.
      seed: The seed of the checks.
      made_with: Versions, by name.
      programs: The compiled functions.
      left_out: Why a rule is not in it, by the rule's id.
    """

    subject: Mapping[str, str]
    seed: int
    made_with: Mapping[str, str]
    programs: tuple[Program, ...]
    left_out: Mapping[str, str]

    @property
    def cases(self) -> int:
        """How many calls it holds."""
        return sum(len(program.cases) for program in self.programs)


def calls_by_rule(programs: Iterable[Program]) -> dict[str, list[str]]:
    """Return the ids of the calls of each rule, as often as there are calls with this id.

    They are the same for the same code, the same data and the same seed, whatever the machine: values of variables,
    which another machine may round otherwise, are not part of an id.
    """
    found: dict[str, list[str]] = {}
    for program in programs:
        for case in program.cases:
            for rule in case.rules:
                found.setdefault(rule, []).append(case.id)
    return {rule: sorted(found[rule]) for rule in sorted(found)}


def case_id(program: str, data: Sequence[str]) -> str:
    """Return the id of a call.

    Args:
      program: The program's id.
      data: Digests of the arguments that are no variables.
    """
    return hashlib.sha256(json.dumps([program, list(data)]).encode()).hexdigest()


def to_json(manifest: Manifest) -> str:
    """Return a manifest as JSON text with a seal, by which a change made by accident is seen."""
    plain = {"format": FORMAT, "about": ABOUT, **dataclasses.asdict(manifest)}
    return json.dumps({**plain, "seal": _seal(plain)}, indent=1) + "\n"


def from_json(text: str, source: str) -> Manifest:
    """Return the manifest of JSON text.

    Args:
      text: The text.
      source: What the file is called, for messages.

    Raises:
      BundleError: If it is no manifest, of another version, or was changed.
    """
    try:
        plain = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{source} is no JSON, or was cut short: {error}.") from error
    if not isinstance(plain, dict) or "format" not in plain:
        raise BundleError(f"{source} is no manifest of a bundle: it has no key 'format'.")
    if plain["format"] != FORMAT:
        raise BundleError(
            f"{source} has the format {plain['format']!r}, and this version reads {FORMAT}: make the bundle again, or "
            "use the version of assay-conformance that made it."
        )
    if plain.pop("seal", None) != _seal(plain):
        raise BundleError(f"{source} was changed after it was written: its seal does not fit.")
    try:
        return _Reader(source).manifest(plain)
    except (KeyError, TypeError, AttributeError) as error:
        raise BundleError(f"{source} is no manifest of a bundle: {type(error).__name__} {error}.") from error


def _seal(plain: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


class _Reader:
    """Takes plain JSON values apart; whatever is not as it should be is named."""

    def __init__(self, source: str) -> None:
        self._source = source

    def manifest(self, plain: Mapping[str, Any]) -> Manifest:
        manifest = Manifest(
            subject={key: self._text(plain["subject"][key], key) for key in ("name", "origin", "kind")},
            seed=self._integer(plain["seed"], "seed"),
            made_with={str(key): self._text(value, "made_with") for key, value in plain["made_with"].items()},
            programs=tuple(self._program(one) for one in plain["programs"]),
            left_out={str(key): self._text(value, "left_out") for key, value in plain["left_out"].items()},
        )
        for program in manifest.programs:
            self._check(program)
        return manifest

    def _program(self, plain: Mapping[str, Any]) -> Program:
        return Program(
            id=self._digest(plain["id"], "id of a program"),
            name=self._text(plain["name"], "name of a program"),
            inputs=tuple(self._tensor(one, (DATA, STATE)) for one in plain["inputs"]),
            outputs=tuple(self._tensor(one, (VALUE, STATE)) for one in plain["outputs"]),
            custom_calls=tuple(self._text(one, "custom_calls") for one in plain["custom_calls"]),
            own_generator=plain["own_generator"] is True,
            cases=tuple(self._case(one) for one in plain["cases"]),
        )

    def _tensor(self, plain: Mapping[str, Any], roles: tuple[str, ...]) -> Tensor:
        updates = plain["updates"]
        return Tensor(
            name=self._text(plain["name"], "name of a tensor"),
            shape=tuple(self._integer(one, "shape") for one in plain["shape"]),
            dtype=self._one_of(plain["dtype"], _DTYPES, "dtype"),
            role=self._one_of(plain["role"], roles, "role"),
            updates=None if updates is None else self._integer(updates, "updates"),
        )

    def _case(self, plain: Mapping[str, Any]) -> Case:
        return Case(
            id=self._digest(plain["id"], "id of a case"),
            rules=tuple(self._fitting(one, _RULE.fullmatch, "a rule's id", "rules") for one in plain["rules"]),
            inputs=tuple(self._digest(one, "inputs") for one in plain["inputs"]),
            outputs=tuple(self._digest(one, "outputs") for one in plain["outputs"]),
            references=tuple(one and self._digest(one, "references") for one in plain["references"]),
        )

    def _check(self, program: Program) -> None:
        """Refuse a program whose parts do not fit together."""
        sizes = len(program.inputs), len(program.outputs), len(program.outputs)
        for case in program.cases:
            if (len(case.inputs), len(case.outputs), len(case.references)) != sizes:
                raise self._refusal("cases", f"{sizes} inputs, outputs and references", case)
            data = [one for one, tensor in zip(case.inputs, program.inputs, strict=True) if tensor.role == DATA]
            if case.id != case_id(program.id, data):
                raise self._refusal("id of a case", "the digest of its program and its data", case.id)
        for output in program.outputs:
            if output.updates is not None and output.updates >= len(program.inputs):
                raise self._refusal("updates", "the number of an input", output.updates)

    def _text(self, value: Any, what: str) -> str:
        return self._fitting(value, lambda _: True, "text", what)

    def _digest(self, value: Any, what: str) -> str:
        return self._fitting(value, _DIGEST.fullmatch, "64 hexadecimal digits", what)

    def _one_of(self, value: Any, known: Any, what: str) -> str:
        return self._fitting(value, lambda text: text in known, f"one of {', '.join(sorted(known))}", what)

    def _fitting(self, value: Any, fits: Callable[[str], Any], expected: str, what: str) -> str:
        if not isinstance(value, str) or not fits(value):
            raise self._refusal(what, expected, value)
        return value

    def _integer(self, value: Any, what: str) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or (what != "seed" and value < 0):
            raise self._refusal(what, "a whole number", value)
        return value

    def _refusal(self, what: str, expected: str, value: Any) -> BundleError:
        return BundleError(f"{self._source}: {what} must be {expected}; received {str(value)[:80]!r}.")
