"""Makes a bundle of recorded calls: lowers each traced function once, and adds what float64 gives."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from assay.conformance.bundles.arrays import DTYPES, digest
from assay.conformance.bundles.manifest import DATA, STATE, Case, Program, Tensor, case_id
from assay.conformance.bundles.recording import Call, NotExportableError, Recorder
from assay.conformance.stablehlo import adapter
from assay.conformance.stablehlo.canonical import Exported, exported
from assay.conformance.stablehlo.versions import JaxMissingError
from assay.conformance.stablehlo.widening import widened

_LONGEST_REASON = 300


@dataclasses.dataclass(frozen=True)
class Export:
    """What the calls of a subject's checks amount to.

    Attributes:
      programs: The compiled functions with their calls.
      texts: StableHLO by the id of the program.
      arrays: All arrays that the programs speak of, by digest.
      left_out: Why a rule is not in it, by its id: one call that cannot be taken elsewhere leaves a rule out whole.
    """

    programs: tuple[Program, ...]
    texts: Mapping[str, bytes]
    arrays: Mapping[str, np.ndarray]
    left_out: Mapping[str, str]


@dataclasses.dataclass
class _Draft:
    """A program whose calls are being collected; `cases` is keyed by the digests of all inputs."""

    lowered: Exported
    call: Call
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    cases: dict[tuple[str, ...], tuple[Call, list[str]]] = dataclasses.field(default_factory=dict)


def export(recorder: Recorder, rules: Iterable[str], *, references: bool = True) -> Export:
    """Return the calls of some rules as programs that can be run elsewhere.

    Args:
      recorder: What the checks recorded.
      rules: The rules whose calls are taken.
      references: Whether to compute each program in float64 too, on the CPU by jax.

    Raises:
      JaxMissingError: If jax, which makes StableHLO of what TensorFlow lowers, is not there.
    """
    drafts: dict[str, _Draft] = {}
    left_out: dict[str, str] = {}
    of_source: dict[Any, str | NotExportableError] = {}
    for rule in dict.fromkeys(rules):
        calls = [recorder.calls[number] for number in recorder.rules.get(rule, ())]
        if not calls:
            left_out[rule] = "its check calls no compiled function, but with inputs drawn at random"
        try:
            programs_of = [_program_of(call, of_source, drafts, recorder) for call in calls]
        except NotExportableError as refusal:
            left_out[rule] = f"a call cannot be taken elsewhere: {refusal}"
            continue
        for call, program in zip(calls, programs_of, strict=True):
            own = drafts[program].cases.setdefault(tuple(port.digest for port in call.inputs), (call, []))
            own[1].append(rule)
    drafts = {name: draft for name, draft in drafts.items() if draft.cases}
    arrays: dict[str, np.ndarray] = {}
    programs = tuple(_finished(name, draft, recorder, arrays, references=references) for name, draft in drafts.items())
    return Export(programs, {name: draft.lowered.artifact for name, draft in drafts.items()}, arrays, left_out)


def _program_of(
    call: Call, of_source: dict[Any, str | NotExportableError], drafts: dict[str, _Draft], recorder: Recorder
) -> str:
    """The id of the program of a call, which is lowered when it is first met.

    Raises:
      NotExportableError: If it cannot be taken elsewhere.
    """
    if call.refusal:
        raise NotExportableError(f"{call.what}: {call.refusal}")
    source = call.source
    if source not in of_source:
        try:
            lowered = _lowered(call)
            name = hashlib.sha256(lowered.artifact).hexdigest()
            if name not in drafts:
                drafts[name] = _Draft(lowered, call, *_signature(call, lowered, recorder))
            of_source[source] = name
        except NotExportableError as refusal:
            of_source[source] = NotExportableError(f"{call.what}: {refusal}")
    found = of_source[source]
    if isinstance(found, NotExportableError):
        raise found
    return found


def _lowered(call: Call) -> Exported:
    try:
        return exported(call.lower())
    except (JaxMissingError, KeyboardInterrupt):
        raise
    except Exception as error:  # what TensorFlow and the converter raise is of many types
        said = " ".join(str(error).split())
        raise NotExportableError(f"it cannot be lowered to StableHLO: {said[:_LONGEST_REASON]}") from error


def _signature(call: Call, lowered: Exported, recorder: Recorder) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """Arguments and results of a program; those of the module and those that were recorded must be the same."""
    with adapter.mlir_context():
        parameters, results = adapter.signature(adapter.read_artifact(lowered.artifact))
    if len(parameters) != len(call.inputs) or len(results) != len(call.outputs) + len(lowered.aliases):
        raise NotExportableError(
            f"the compiled program takes {len(parameters)} arguments and gives {len(results)} results, and the call "
            f"had {len(call.inputs)} and {len(call.outputs)}, besides {len(lowered.aliases)} updated variables"
        )
    inputs = tuple(
        Tensor(port.name, shape, _dtype(element), port.role)
        for port, (shape, element) in zip(call.inputs, parameters, strict=True)
    )
    outputs = []
    for index, (shape, element) in enumerate(results):
        old = lowered.aliases.get(index)
        if old is None and index >= len(call.outputs):
            raise NotExportableError(f"what result {index} of the compiled program is cannot be told")
        port = call.outputs[index] if old is None else call.after[old]
        outputs.append(Tensor(port.name, shape, _dtype(element), port.role, old))
    for tensor, port in zip((*inputs, *outputs), (*call.inputs, *_results(call, outputs)), strict=True):
        array = recorder.arrays[port.digest]
        if array.shape != tensor.shape or array.dtype.name != tensor.dtype:
            raise NotExportableError(
                f"{tensor.name!r} of the compiled program is {tensor.dtype}{list(tensor.shape)}, and was "
                f"{array.dtype.name}{list(array.shape)}"
            )
    return inputs, tuple(outputs)


def _results(call: Call, outputs: Sequence[Tensor]) -> Iterator[Any]:
    for index, tensor in enumerate(outputs):
        yield call.outputs[index] if tensor.updates is None else call.after[tensor.updates]


def _dtype(element: str) -> str:
    if element not in DTYPES:
        raise NotExportableError(f"it computes with {element}, which a bundle cannot hold")
    return DTYPES[element]


def _finished(
    name: str, draft: _Draft, recorder: Recorder, arrays: dict[str, np.ndarray], *, references: bool
) -> Program:
    """The program with its calls; the arrays that they speak of are added to `arrays`."""
    wide = _Wide(draft.lowered.text) if references else None
    cases = []
    for inputs, (call, rules) in draft.cases.items():
        outputs = [port.digest for port in _results(call, draft.outputs)]
        arrays.update({one: recorder.arrays[one] for one in (*inputs, *outputs)})
        found = wide.run([arrays[one] for one in inputs]) if wide else None
        names = []
        for number, tensor in enumerate(draft.outputs):
            if found is None or tensor.dtype != "float32":
                names.append("")
                continue
            names.append(digest(found[number]))
            arrays[names[-1]] = found[number]
        data = [one for one, tensor in zip(inputs, draft.inputs, strict=True) if tensor.role == DATA]
        rules_once = tuple(dict.fromkeys(rules))
        cases.append(Case(case_id(name, data), rules_once, inputs, tuple(outputs), tuple(names)))
    return Program(
        name,
        draft.call.what + _described(draft.inputs),
        draft.inputs,
        draft.outputs,
        draft.lowered.custom_calls,
        draft.lowered.own_generator,
        tuple(cases),
    )


def _described(inputs: Sequence[Tensor]) -> str:
    """What tells programs of one function apart: ` of float32[4, 10], int64[4]`."""
    data = [f"{one.dtype}{list(one.shape)}" for one in inputs if one.role != STATE]
    return f" of {', '.join(data[:4])}{' and more' if len(data) > 4 else ''}" if data else ""


class _Wide:
    """A program in float64, compiled when it is first run; where there is none it gives none."""

    def __init__(self, text: str) -> None:
        self._text = widened(text)
        self._executable: adapter.Executable | None = None

    def run(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray] | None:
        if self._text is None:
            return None
        adapter.set_up_jax("cpu")
        try:
            with adapter.mlir_context():
                if self._executable is None:
                    self._executable = adapter.Executable(adapter.parse(self._text), adapter.first_device("cpu"))
                wide = [one.astype(np.float64) if one.dtype == np.float32 else one for one in inputs]
                return [np.asarray(one) for one in self._executable.run(self._executable.place(wide))]
        except (ValueError, RuntimeError):  # the compiler has no such operation for float64
            self._text = None
            return None
