"""Asks a target whose device is not there whether it would take the programs of a subject."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence

from assay.conformance.context import Context
from assay.conformance.model.errors import Violation
from assay.conformance.model.vocabulary import Evidence, Target
from assay.conformance.targets import gpu, tpu
from assay.conformance.targets.programs import Program, lower, trace

_NAMED_AT_MOST = 3
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def compile_for(target: Target, programs: Sequence[Program], ctx: Context) -> Evidence:
    """Return what stands behind the claim that a target takes these programs.

    Args:
      target: The target.
      programs: What it must be able to run; XLA on the CPU has compiled and run them already.
      ctx: The check's context; what was learnt beside the outcome is noted there.

    Raises:
      Violation: If the target's compiler refuses one.
    """
    return _for_tpu(programs, ctx) if target is Target.TPU else _for_gpu(programs, ctx)


def _for_tpu(programs: Sequence[Program], ctx: Context) -> Evidence:
    try:
        for program in programs:
            _compile_for_tpu(program, ctx)
    except tpu.CompilerMissingError as missing:
        ctx.note(f"TPU: XLA on the CPU stood in for the TPU's compiler. {missing}")
        return Evidence.STAND_IN
    return Evidence.COMPILED


def _compile_for_tpu(program: Program, ctx: Context) -> None:
    topology = ctx.session.topology
    tpu.require_compiler()
    try:
        taken = compiled_for_tpu(program, ctx)
    except tpu.CompilerRefusedError as refused:
        if refused.out_of_memory:
            ctx.note(f"TPU {topology.name}: {program.name} needs more memory than a chip has. {refused}")
            return
        raise Violation(
            f"the TPU compiler ({tpu.compiler_version(topology)}, for {topology.name}) refuses {program.name}: "
            f"{refused}",
            cause="a dtype or an operation that XLA computes on a CPU and no TPU has: 128-bit complex numbers, "
            "decompositions and sorts of rare dtypes",
            fix="Compute it in float32, or bfloat16, with operations that TPUs have; or do it in build_inputs or in "
            "aggregate_logs, which run on the host.",
            evidence=Evidence.COMPILED,
        ) from refused
    ctx.note(
        f"TPU {topology.name}: {program.name} compiled by {taken.compiler}; {readable(taken.memory_bytes)} of "
        f"{readable(topology.device_bytes)}, {taken.flops:.3g} floating-point operations a call."
    )


def compiled_for_tpu(program: Program, ctx: Context) -> tpu.CompiledProgram:
    """Return what the TPU compiler says of a program, for the topology of the run; asked once for each name.

    Raises:
      SubjectError: If an operation cannot be lowered.
      CompilerMissingError: If the compiler is not there.
      CompilerRefusedError: If the compiler does not take the program.
    """
    module = ctx.share(("lowered", program.name), lambda: lower(program))
    return ctx.share(
        ("compiled", program.name, ctx.session.topology), lambda: tpu.compile_program(module, ctx.session.topology)
    )


def _for_gpu(programs: Sequence[Program], ctx: Context) -> Evidence:
    if not gpu.has_gpu_kernels():
        ctx.note(
            "GPU: XLA on the CPU stood in for it. This build of TensorFlow registers no GPU kernels (tensorflow-cpu "
            "does not); with the standard Linux wheel they are looked up, GPU or not."
        )
        return Evidence.STAND_IN
    for program in programs:
        graph = ctx.share(("traced", program.name), functools.partial(trace, program))
        missing = list(dict.fromkeys(map(str, itertools.islice(gpu.without_gpu_kernel(graph), _NAMED_AT_MOST))))
        if missing:
            ctx.note(
                f"GPU: without XLA these operations of {program.name} have no GPU kernel and run on the host: "
                f"{'; '.join(missing)}."
            )
    return Evidence.STATIC


def readable(size: float) -> str:
    """A number of bytes for people: `1.5 MiB`."""
    for unit in _UNITS[:-1]:
        if size < 1024:
            return f"{size:.3g} {unit}"
        size /= 1024
    return f"{size:.3g} {_UNITS[-1]}"
