"""Carries a rule out on a target, with the device or without it, and says what the result rests on.

Without the device a rule is one of four things. What it reads off a graph or a specification is the same here as there
(`static`). What it says of compiling, the target's own compiler can be asked, where it is installed (`compiled`). What
it says of values needs the device: XLA on the CPU, which compiles the same program, stands in for it (`stand-in`). And
what runs op by op, on several devices, or in float16 says nothing of a device that is not there (`not run`).
"""

from __future__ import annotations

import dataclasses

from assay.conformance.context import Context
from assay.conformance.harness.compiling import refusal_of
from assay.conformance.harness.standing_in import calls_through_xla
from assay.conformance.model.errors import NotApplicable, NotRun, SubjectError, Violation
from assay.conformance.model.rule import RegisteredRule, Rule
from assay.conformance.model.vocabulary import Evidence, Mode, Target
from assay.conformance.targets.compiling import compile_for, require_lowering
from assay.conformance.targets.presence import is_present
from assay.conformance.targets.subject_programs import programs_of

_NEEDS_DEVICES = {
    Mode.REPLICAS: "what replicas exchange, and what becomes of it, nothing but the devices can show",
    Mode.MIXED_PRECISION: "what half precision rounds away shows on the device alone",
}

_WITHOUT_A_DEVICE = (Evidence.STATIC, Evidence.COMPILED)


def modes_of(rule: Rule, target: Target) -> tuple[Mode, ...]:
    """Return the modes in which a rule is carried out on a target.

    With a device they are the rule's own. Without one, everything that a program computes is looked at in one mode,
    compiled by XLA; the modes that need devices are named as what could not be run, unless a compiler can be asked.
    """
    if target is Target.CPU or rule.gate or rule.evidence in _WITHOUT_A_DEVICE or is_present(target):
        return rule.modes
    own = (*rule.modes, *_compiled_modes(rule, target))
    rest = tuple(mode for mode in own if mode in _NEEDS_DEVICES)
    return rest if len(rest) == len(own) else (Mode.XLA, *rest)


def _compiled_modes(rule: Rule, target: Target) -> tuple[Mode, ...]:
    """The modes in which the compiler of a target that is not there is asked, and nothing is run."""
    return rule.compiled_modes if target is Target.TPU else ()


def evidence_of(rule: Rule, target: Target) -> Evidence:
    """Return what a result of a rule on a target rests on, unless the target's own compiler was asked."""
    present = target is Target.CPU or is_present(target)
    return rule.evidence if present or rule.evidence in _WITHOUT_A_DEVICE else Evidence.STAND_IN


def carry_out(entry: RegisteredRule, ctx: Context) -> Evidence:
    """Run a rule's check, raising what it raises, and return what a pass rests on.

    Raises:
      NotRun: If the mode needs a device that is not there, or the check says nothing of one.
    """
    rule, target = entry.rule, ctx.target
    if target is Target.CPU or is_present(target):
        entry.check(ctx)
        return rule.evidence
    here = dataclasses.replace(ctx, target=Target.CPU, absent=target)
    if rule.evidence in _WITHOUT_A_DEVICE or rule.gate:
        entry.check(here)
        return evidence_of(rule, target)
    if ctx.mode in _compiled_modes(rule, target) and entry.programs:
        _require_compilable(entry, here)
        programs = entry.programs(here)
        require_lowering(target, programs, here)
        return compile_for(target, programs, here)
    if ctx.mode in _NEEDS_DEVICES:
        raise NotRun(
            f"There is no {target.value.upper()} here, and {_NEEDS_DEVICES[ctx.mode]}.",
            remedy=f"Run on a machine with {'two of them' if ctx.mode is Mode.REPLICAS else 'one'}.",
        )
    if entry.programs:
        programs = entry.programs(here)
        require_lowering(target, programs, here)
        evidence = compile_for(target, programs, here)  # first: what a target refuses need not be run, and may be huge
        here.share(("stand-in", rule.id), lambda: _stand_in(entry, here))
        return evidence
    _require_compilable(entry, here)
    if not here.share(("stand-in", rule.id), lambda: _stand_in(entry, here)):
        raise NotRun(
            f"There is no {target.value.upper()} here, and the check, which passes on the CPU, compiles nothing: it "
            "says nothing of another device.",
            remedy="Run on a machine with one.",
        )
    return evidence_of(rule, target)


def _require_compilable(entry: RegisteredRule, here: Context) -> None:
    """Raise when the subject does not compile: XLA may crash over it, and a rule of its own says why.

    Raises:
      NotRun: If it does not.
    """
    try:
        require_lowering(here.absent or here.target, programs_of(entry.rule.kind, here.in_mode(Mode.XLA)), here)
    except (Violation, SubjectError) as refusal:
        raise NotRun(
            f"There is no {str(here.absent).upper()} here, and the subject does not compile for one.",
            remedy="Mend what the rule about compiling says first.",
        ) from refusal
    except NotApplicable:
        return  # the rule says itself why it does not apply


def _stand_in(entry: RegisteredRule, ctx: Context) -> bool:
    """Run the check on the CPU, and return whether XLA compiled what it ran.

    What does not compile has a rule of its own to say so.
    """
    before = calls_through_xla()
    try:
        entry.check(ctx)
    except SubjectError as error:
        if refusal_of(error) is None:
            raise
        raise NotRun(
            f"There is no {str(ctx.absent).upper()} here, and XLA on the CPU, which would stand in for it, does not "
            "compile the subject.",
            remedy="Mend what the rule about compiling says first.",
        ) from error
    return calls_through_xla() > before
