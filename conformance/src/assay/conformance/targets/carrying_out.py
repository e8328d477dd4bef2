"""Carries a rule out on a target, with the device or without it, and says what the result rests on.

Without the device a rule is one of three things. What it reads off a graph or a specification is the same here as there
(`static`). What it says of compiling, the target's own compiler can be asked, where it is installed (`compiled`). What
it says of values needs the device: XLA on the CPU, which compiles the same program, stands in for it (`stand-in`).
"""

from __future__ import annotations

import dataclasses

from assay.conformance.context import Context
from assay.conformance.harness.compiling import refusal_of
from assay.conformance.model.errors import NotRun, SubjectError
from assay.conformance.model.rule import RegisteredRule, Rule
from assay.conformance.model.vocabulary import Evidence, Mode, Target
from assay.conformance.targets.compiling import compile_for
from assay.conformance.targets.presence import is_present

_NEEDS_DEVICES = {
    Mode.REPLICAS: "two replicas exchange what they computed, which nothing but the devices can show",
    Mode.MIXED_PRECISION: "what float16 rounds away shows on the device alone",
}

_WITHOUT_A_DEVICE = (Evidence.STATIC, Evidence.COMPILED)


def modes_of(rule: Rule, target: Target) -> tuple[Mode, ...]:
    """Return the modes in which a rule is carried out on a target.

    With a device they are the rule's own. Without one, everything that a program computes is looked at in one mode,
    compiled by XLA, and the modes that need devices are named as what could not be run.
    """
    if target is Target.CPU or rule.gate or rule.evidence in _WITHOUT_A_DEVICE or is_present(target):
        return rule.modes
    rest = tuple(mode for mode in rule.modes if mode in _NEEDS_DEVICES)
    return rest if len(rest) == len(rule.modes) else (Mode.XLA, *rest)


def evidence_of(rule: Rule, target: Target) -> Evidence:
    """Return what a result of a rule on a target rests on, unless the target's own compiler was asked."""
    present = target is Target.CPU or is_present(target)
    return rule.evidence if present or rule.evidence in _WITHOUT_A_DEVICE else Evidence.STAND_IN


def carry_out(entry: RegisteredRule, ctx: Context) -> Evidence:
    """Run a rule's check, raising what it raises, and return what a pass rests on.

    Raises:
      NotRun: If the mode needs a device that is not there.
    """
    rule, target = entry.rule, ctx.target
    if target is Target.CPU or is_present(target):
        entry.check(ctx)
        return rule.evidence
    here = dataclasses.replace(ctx, target=Target.CPU, absent=target)
    if rule.evidence in _WITHOUT_A_DEVICE or rule.gate:
        entry.check(here)
        return evidence_of(rule, target)
    if ctx.mode in _NEEDS_DEVICES:
        raise NotRun(
            f"There is no {target.value.upper()} here, and {_NEEDS_DEVICES[ctx.mode]}.",
            remedy=f"Run on a machine with {'two of them' if ctx.mode is Mode.REPLICAS else 'one'}.",
        )
    here.share(("stand-in", rule.id), lambda: _stand_in(entry, here))
    return compile_for(target, entry.programs(here), here) if entry.programs else evidence_of(rule, target)


def _stand_in(entry: RegisteredRule, ctx: Context) -> bool:
    """Run the check compiled by XLA on the CPU; what does not compile has a rule of its own to say so."""
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
    return True
