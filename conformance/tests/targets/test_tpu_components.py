"""Components that a TPU cannot run are refused for the right reason, and those that it can run are not."""

import importlib.metadata

import pytest
from assay.conformance.context import Context
from assay.conformance.model import Evidence, Mode, Outcome, Target
from assay.conformance.registry import find_rule
from assay.conformance.runner import run_rule
from assay.conformance.session import Session
from assay.conformance.targets.carrying_out import modes_of
from assay.conformance.targets.compiling import compile_for, require_lowering

from conformance.tests.targets.tpu_fit import FIT
from conformance.tests.targets.tpu_unfit import UNFIT

needs_compiler = pytest.mark.skipif(
    not {"jax", "libtpu"} <= {one.metadata["Name"] for one in importlib.metadata.distributions()},
    reason="the extra tpu is not installed",
)
UNDER_BOTH_FLAVOURS = {
    *("L402-TransformsInComplex128", "K402-ConvertsToNumPy", "T404-CountsInPython", "T402-YieldsNames"),
    *("L402-SparseCategoricalCrossentropy", "K402-SizesItsMatrix"),
}
"""Of each kind one that is refused and, but for the costly Task, one that is not; those of Keras where there are."""


def judged(subject, rule):
    entry = find_rule(rule)
    mode = modes_of(entry.rule, Target.TPU)[0]
    return run_rule(entry, Session(subject), kind=entry.rule.kind, target=Target.TPU, mode=mode)


def marked(cases):
    slow = {case: [pytest.mark.slow] if case.slow else [] for case in cases}
    flavour = {case: [pytest.mark.flavour] if str(case) in UNDER_BOTH_FLAVOURS else [] for case in cases}
    return [pytest.param(case, id=str(case), marks=[*slow[case], *flavour[case]]) for case in cases]


@needs_compiler
@pytest.mark.parametrize("case", marked(UNFIT))
def test_component_that_cannot_work_on_a_tpu_is_refused_for_the_right_reason(case):
    found = judged(case.subject, case.rule)

    assert found.outcome is Outcome.FAIL, found.message
    assert case.line in found.finding.observed or case.line in found.finding.cause
    assert "tpu_unfit.py" in found.message or not case.line
    assert case.why in found.finding.cause
    assert case.instead in found.finding.fix


@needs_compiler
@pytest.mark.parametrize("case", marked(FIT))
def test_component_that_a_tpu_can_run_is_not_refused(case):
    entry = find_rule(case.rule)
    session = Session(case.subject)
    ctx = Context(rule_id=case.rule, session=session, mode=Mode.XLA, absent=Target.TPU)

    programs = entry.programs(ctx)
    require_lowering(Target.TPU, programs, ctx)
    evidence = compile_for(Target.TPU, programs, ctx)

    assert evidence is Evidence.COMPILED
    assert len(ctx.learnt) == len(programs) >= 1


def test_there_are_at_least_twenty_of_the_one_and_forty_of_the_other():
    assert len({case.subject.name for case in UNFIT}) >= 20
    assert len({case.subject.name for case in FIT}) >= 40
