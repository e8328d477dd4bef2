"""Asks a target whose device is not there whether it would take the programs of a subject."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from assay.conformance.context import Context
from assay.conformance.harness.compiling import explained
from assay.conformance.model.errors import NotApplicable, NotRun, SubjectError
from assay.conformance.model.kinds import Kind
from assay.conformance.model.vocabulary import Evidence, Mode, Target
from assay.conformance.targets import gpu, tpu
from assay.conformance.targets.programs import Program, lower, trace
from assay.conformance.targets.refusals import (
    named,
    refuse_resources,
    refuse_strings,
    refuse_value_shapes,
    refused_by_compiler,
)

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def require_lowering(target: Target, programs: Sequence[Program], ctx: Context) -> None:
    """Lower programs from their shapes, before anything runs them: where XLA would crash, this says why.

    Args:
      target: The target that they are for.
      programs: What it must be able to run.
      ctx: The check's context.

    Raises:
      Violation: If an operation cannot be lowered, or on a TPU a shape depends on values.
      SubjectError: If one cannot be traced.
      NotApplicable: If one is given strings.
    """
    if target is Target.TPU:
        tpu.warm_up()
    for program in programs:
        _refuse_strings(program, ctx)
        key = ("lowered for", target, program.name)
        ctx.share(key, functools.partial(_lowered_for, target, program, ctx))


def _lowered_for(target: Target, program: Program, ctx: Context) -> bool:
    try:
        graph = trace(program)
        refuse_resources(program, graph)
        if target is Target.TPU:
            refuse_value_shapes(program, graph)
        _module(program, ctx)
    except SubjectError as error:
        raise explained(error, program.name) from error
    return True


def _module(program: Program, ctx: Context) -> Any:
    return ctx.share(("lowered", program.name), lambda: lower(program))


def _refuse_strings(program: Program, ctx: Context) -> None:
    import tensorflow as tf

    if ctx.subject.kind is Kind.TASK:
        refuse_strings(program.name, program.leaves)
    if any(leaf.dtype == tf.string for leaf in program.leaves):
        raise NotApplicable("The batch holds strings, which XLA cannot be given.")


def compile_for(target: Target, programs: Sequence[Program], ctx: Context) -> Evidence:
    """Return what stands behind the claim that a target takes these programs.

    Args:
      target: The target.
      programs: What it must be able to run; they can be lowered.
      ctx: The check's context; what was learnt beside the outcome is noted there.

    Raises:
      Violation: If the target's compiler refuses one.
      NotRun: If the target's compiler cannot be asked, and nothing stands in for it.
    """
    return _for_tpu(programs, ctx) if target is Target.TPU else _for_gpu(programs, ctx)


def _for_tpu(programs: Sequence[Program], ctx: Context) -> Evidence:
    try:
        for program in programs:
            _compile_for_tpu(program, ctx)
    except tpu.CompilerMissingError as missing:
        if ctx.mode is not Mode.XLA:
            raise NotRun("Nothing but the TPU compiler knows.", remedy=str(missing)) from missing
        ctx.learn(f"XLA on the CPU stood in for the TPU's compiler. {missing}")
        return Evidence.STAND_IN
    return Evidence.COMPILED


def _compile_for_tpu(program: Program, ctx: Context) -> None:
    topology = ctx.session.topology
    try:
        taken = compiled_for_tpu(program, ctx)
    except tpu.CompilerUndecidedError as undecided:
        raise NotRun(
            f"Nothing is known of {program.name} on a {topology.name}. {undecided}",
            remedy="The rule passed on the CPU; take parts of the program out to find what the compiler stumbles over.",
        ) from undecided
    except tpu.CompilerRefusedError as refused:
        if refused.out_of_memory and ctx.subject.kind is Kind.TASK:
            ctx.learn(f"{program.name} needs more memory than a {topology.name} device has; see T406.")
            return
        raise refused_by_compiler(program, trace(program), topology, refused) from refused
    together = f" on {program.replicas} replicas" if program.replicas > 1 else ""
    ctx.learn(
        f"{program.name}{together} compiled for {topology.name} by {taken.compiler}: {readable(taken.memory_bytes)} of "
        f"{readable(topology.device_bytes)} memory, {taken.flops:.3g} floating-point operations a call.",
    )


def compiled_for_tpu(program: Program, ctx: Context) -> tpu.CompiledProgram:
    """Return what the TPU compiler says of a program, for the topology of the run; asked once for each name.

    Raises:
      SubjectError: If an operation cannot be lowered.
      CompilerMissingError: If the compiler is not there.
      CompilerRefusedError: If the compiler does not take the program.
      CompilerUndecidedError: If it crashed, or could not be given the program.
    """
    tpu.require_compiler()
    key = ("compiled", program.name, ctx.session.topology)
    module = _module(program, ctx)
    return ctx.share(key, lambda: tpu.compile_program(module, ctx.session.topology, replicas=program.replicas))


def _for_gpu(programs: Sequence[Program], ctx: Context) -> Evidence:
    if not gpu.has_gpu_kernels():
        ctx.learn(
            "XLA on the CPU stood in for it. This build of TensorFlow registers no GPU kernels (tensorflow-cpu does "
            "not); with the standard Linux wheel they are looked up, GPU or not.",
        )
        return Evidence.STAND_IN
    for program in programs:
        missing = list(gpu.without_gpu_kernel(trace(program)))
        if missing:
            ctx.learn(
                f"without XLA these operations of {program.name} have no GPU kernel and run on the host: "
                f"{named(missing)}.",
            )
    return Evidence.STATIC


def readable(size: float) -> str:
    """A number of bytes for people: `1.5 MiB`."""
    for unit in _UNITS[:-1]:
        if size < 1024:
            return f"{size:.3g} {unit}"
        size /= 1024
    return f"{size:.3g} {_UNITS[-1]}"
