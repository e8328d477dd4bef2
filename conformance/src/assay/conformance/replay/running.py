"""Runs the programs of a bundle on a device, compares what comes out, and times it."""

from __future__ import annotations

import dataclasses
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from assay.conformance.bundles.folder import Folder
from assay.conformance.bundles.manifest import Case, Program
from assay.conformance.replay.comparing import Comparison, compare
from assay.conformance.stablehlo import adapter
from assay.conformance.stablehlo.precision import Arithmetic, Products, set_products

PASS, FAIL, NOT_RUN = "pass", "fail", "not-run"
DEFAULT_RUNS = 10
_LONGEST_REFUSAL = 400


@dataclasses.dataclass(frozen=True)
class ReplayedCase:
    """One call, replayed.

    Attributes:
      id: The case's id.
      rules: The rules whose check made the call.
      verdict: `pass`, `fail` or `not-run`.
      said: What is wrong with it, in a sentence; empty for a pass.
      comparisons: Each of its results.
    """

    id: str
    rules: tuple[str, ...]
    verdict: str
    said: str
    comparisons: tuple[Comparison, ...] = ()


@dataclasses.dataclass(frozen=True)
class ReplayedProgram:
    """One program, replayed.

    Attributes:
      id: The program's id.
      name: What reports call it.
      cases: Its calls.
      products: How many products of float32 it holds.
      compile_seconds: How long the device's compiler took; None when it refused.
      run_seconds: The median of the timed runs; None when nothing was timed.
      runs: How many runs were timed.
    """

    id: str
    name: str
    cases: tuple[ReplayedCase, ...]
    products: int = 0
    compile_seconds: float | None = None
    run_seconds: float | None = None
    runs: int = 0

    @property
    def verdict(self) -> str:
        """The worst of its calls."""
        found = {case.verdict for case in self.cases}
        return next(word for word in (FAIL, NOT_RUN, PASS) if word in found)


def replay(
    folder: Folder,
    device: Any,
    products: Products,
    *,
    platform: str,
    runs: int = DEFAULT_RUNS,
    on_program: Callable[[ReplayedProgram], None] | None = None,
) -> list[ReplayedProgram]:
    """Replay a bundle.

    Args:
      folder: The bundle.
      device: A device of jax.
      products: What products of float32 are computed with.
      platform: The device's platform: `cpu`, `gpu` or `tpu`.
      runs: How many runs of each program are timed.
      on_program: Called with each program as it is done.

    Raises:
      BundleError: If a file of the bundle is missing or was changed.
    """
    done = []
    for program in folder.manifest.programs:
        done.append(_replay_program(folder, program, device, products, platform=platform, runs=runs))
        if on_program is not None:
            on_program(done[-1])
    return done


def _replay_program(
    folder: Folder, program: Program, device: Any, products: Products, *, platform: str, runs: int
) -> ReplayedProgram:
    content = folder.program(program)
    if program.own_generator:
        return _not_run(program, "it draws random numbers from a generator of the platform's own, which no other has")
    with adapter.mlir_context():
        try:
            module = adapter.read_artifact(content)
        except (ValueError, RuntimeError) as error:
            return _not_run(program, f"this jax cannot read it: {_in_short(error)}")
        if not _as_declared(module, program):
            return _not_run(program, "its arguments and results are not those that the manifest names")
        count = set_products(module, products)
        judged_by = products.arithmetic if count else Arithmetic.FLOAT32
        start = time.perf_counter()
        try:
            executable = adapter.Executable(module, device)
        except (ValueError, RuntimeError) as error:
            return _refused(program, error, platform)
        seconds = time.perf_counter() - start
    cases: list[ReplayedCase] = []
    timed: list[float] = []
    for case in program.cases:
        inputs = _arrays(folder, case.inputs, program.inputs)
        placed = executable.place(inputs)
        try:
            found = [np.asarray(one) for one in executable.run(placed)]
        except (ValueError, RuntimeError) as error:
            cases.append(ReplayedCase(case.id, case.rules, FAIL, f"it raised: {_in_short(error)}"))
            continue
        cases.append(_judged(folder, program, case, inputs, found, judged_by, count, platform))
        timed = timed or _times(executable, placed, runs)
    return ReplayedProgram(
        program.id,
        program.name,
        tuple(cases),
        count,
        seconds,
        statistics.median(timed) if timed else None,
        len(timed),
    )


def _judged(
    folder: Folder,
    program: Program,
    case: Case,
    inputs: Sequence[np.ndarray],
    found: Sequence[np.ndarray],
    arithmetic: Arithmetic,
    products: int,
    platform: str,
) -> ReplayedCase:
    comparisons = []
    for number, (tensor, result) in enumerate(zip(program.outputs, found, strict=True)):
        reference = case.references[number]
        comparisons.append(
            compare(
                tensor,
                result,
                folder.array(case.outputs[number], tensor),
                reference=folder.array(reference, tensor, "float64") if reference else None,
                before=None if tensor.updates is None else inputs[tensor.updates],
                arithmetic=arithmetic,
                products=products,
                platform=platform,
            )
        )
    failed = [one for one in comparisons if not one.passed]
    if failed:
        worst = max(failed, key=lambda one: one.badness)
        more = f"; and {len(failed) - 1} more of {len(comparisons)} results" if len(failed) > 1 else ""
        return ReplayedCase(case.id, case.rules, FAIL, _described(worst) + more, tuple(comparisons))
    if not any(one.informative for one in comparisons) and comparisons:
        said = "rounding in this arithmetic is larger than every result: nothing can be compared"
        return ReplayedCase(case.id, case.rules, NOT_RUN, said, tuple(comparisons))
    return ReplayedCase(case.id, case.rules, PASS, "", tuple(comparisons))


def _described(one: Comparison) -> str:
    if one.seen:
        return f"{one.name}: {one.seen}"
    what = "its movement" if one.role == "state" else "its largest value"
    against = "float64" if one.against == "float64" else "the CPU"
    return (
        f"{one.name} is {one.error:.3g} of {what} away from {against}, and {one.allowed:.3g} is allowed "
        f"(largest difference {one.max_abs:.3g}, {one.max_ulp:.3g} units in the last place)"
    )


def _not_run(program: Program, why: str) -> ReplayedProgram:
    cases = tuple(ReplayedCase(case.id, case.rules, NOT_RUN, why) for case in program.cases)
    return ReplayedProgram(program.id, program.name, cases)


def _refused(program: Program, error: Exception, platform: str) -> ReplayedProgram:
    """What is said when the device's compiler does not take a program."""
    if program.custom_calls and platform != "cpu":
        calls = ", ".join(program.custom_calls)
        return _not_run(
            program, f"TensorFlow lowered it for the CPU, to calls that a {platform.upper()} does not have ({calls})"
        )
    said = f"the compiler refuses it: {_in_short(error)}"
    cases = tuple(ReplayedCase(case.id, case.rules, FAIL, said) for case in program.cases)
    return ReplayedProgram(program.id, program.name, cases)


def _arrays(folder: Folder, digests: Sequence[str], tensors: Sequence[Any]) -> list[np.ndarray]:
    return [folder.array(one, tensor) for one, tensor in zip(digests, tensors, strict=True)]


def _as_declared(module: Any, program: Program) -> bool:
    """Whether a module takes and gives as many tensors of the shapes that the manifest says."""
    parameters, results = adapter.signature(module)
    return [shape for shape, _ in (*parameters, *results)] == [
        tensor.shape for tensor in (*program.inputs, *program.outputs)
    ]


def _times(executable: adapter.Executable, placed: Sequence[Any], runs: int) -> list[float]:
    found = []
    for _ in range(runs):
        start = time.perf_counter()
        executable.run(placed)
        found.append(time.perf_counter() - start)
    return found


def _in_short(error: Exception) -> str:
    return " ".join(str(error).split())[:_LONGEST_REFUSAL]
