"""Calls what a rule says a target must be able to compile, so that it is recorded like what its check calls."""

from __future__ import annotations

import dataclasses

from assay.conformance.context import Context
from assay.conformance.harness.calls import calling
from assay.conformance.harness.compiling import recorded
from assay.conformance.model.rule import RegisteredRule
from assay.conformance.model.vocabulary import Target


def call_programs(entry: RegisteredRule, ctx: Context) -> None:
    """Call the programs of a rule once on the CPU, compiled.

    Raises:
      SubjectError: If one raises.
    """
    import tensorflow as tf

    assert entry.programs is not None
    here = dataclasses.replace(ctx, target=Target.CPU, absent=None if ctx.target is Target.CPU else ctx.target)
    programs = entry.programs(here)

    def call() -> bool:
        for program in programs:
            function = recorded(tf.function(program.function, jit_compile=True), program.function, name=program.name)
            with program.placed(), calling(f"{program.name}, compiled"):
                function(*program.arguments)
        return True

    here.share(("programs called", entry.rule.id), call)
