"""Every mutant fails its own rule, and every twin passes every rule of its kind."""

import functools

import pytest
from assay.conformance.kill import all_twins
from assay.conformance.model import Outcome, Subject
from assay.conformance.registry import all_rules, rules_for
from assay.conformance.runner import run_rule
from assay.conformance.session import Session

pytestmark = pytest.mark.flavour

MUTANTS = [
    pytest.param(entry, mutant, id=f"{entry.rule.id}-{entry.rule.slug}-{mutant.name.replace(' ', '_')}")
    for entry in all_rules()
    for mutant in entry.mutants
]
TWIN_CASES = [
    pytest.param(twin, kind, entry, mode, id=f"{entry.rule.id}-{entry.rule.slug}-{mode}-{twin.name.replace(' ', '_')}")
    for twin, kind in all_twins()
    for entry in rules_for(kind)
    for mode in entry.rule.modes
]


@functools.cache
def session_of(subject: Subject) -> Session:
    return Session(subject)


@pytest.mark.parametrize(("entry", "mutant"), MUTANTS)
def test_mutant_fails_its_own_rule(entry, mutant):
    session = Session(mutant)

    kind, target = mutant.kind or entry.rule.kind, entry.rule.home
    results = [run_rule(entry, session, kind=kind, target=target, mode=mode) for mode in entry.rule.modes]

    assert Outcome.ERROR not in {result.outcome for result in results}, results
    failures = [result for result in results if result.outcome is Outcome.FAIL]
    assert failures, f"{entry.rule.id} does not see its mutant: {[(r.mode, r.outcome, r.message) for r in results]}"
    assert all(failure.finding for failure in failures)


@pytest.mark.parametrize(("twin", "kind", "entry", "mode"), TWIN_CASES)
def test_twin_passes_every_rule_of_its_kind(twin, kind, entry, mode):
    result = run_rule(entry, session_of(twin), kind=kind, target=entry.rule.home, mode=mode)

    allowed = {Outcome.PASS} if twin is entry.twin else {Outcome.PASS, Outcome.NOT_APPLICABLE}
    assert result.outcome in allowed, result.message
