"""The kill table as tests: every mutant fails its own rule, and every twin passes every rule of its kind.

One module a kind, and for Tasks one a half, so that the workers of a test run can share them.
"""

import functools

import pytest
from assay.conformance.kill import all_twins
from assay.conformance.model import Kind, Outcome, Subject
from assay.conformance.registry import all_rules, rules_for
from assay.conformance.runner import run_rule
from assay.conformance.session import Session


def mutants_of(kind: Kind) -> list:
    """Each rule of a kind with each of its mutants, as parameters of a test."""
    return [
        pytest.param(entry, mutant, id=f"{entry.rule.id}-{entry.rule.slug}-{mutant.name.replace(' ', '_')}")
        for entry in all_rules()
        if entry.rule.kind is kind
        for mutant in entry.mutants
    ]


def twins_of(kind: Kind) -> list:
    """Each twin of a kind with each rule that the kind promises, in each mode, as parameters of a test."""
    return [
        pytest.param(
            twin, kind, entry, mode, id=f"{entry.rule.id}-{entry.rule.slug}-{mode}-{twin.name.replace(' ', '_')}"
        )
        for twin, its_kind in all_twins()
        if its_kind is kind
        for entry in rules_for(kind)
        for mode in entry.rule.modes
    ]


@functools.cache
def _session_of(subject: Subject) -> Session:
    return Session(subject)


def assert_killed(entry, mutant):
    """Fail unless the rule fails its mutant in a mode, and breaks in none."""
    session = Session(mutant)
    kind, target = mutant.kind or entry.rule.kind, entry.rule.home

    results = [run_rule(entry, session, kind=kind, target=target, mode=mode) for mode in entry.rule.modes]

    assert Outcome.ERROR not in {result.outcome for result in results}, results
    failures = [result for result in results if result.outcome is Outcome.FAIL]
    assert failures, f"{entry.rule.id} does not see its mutant: {[(r.mode, r.outcome, r.message) for r in results]}"
    assert all(failure.finding for failure in failures)


def assert_passes(twin, kind, entry, mode):
    """Fail unless the rule passes the twin; a twin of another rule may be exempt."""
    result = run_rule(entry, _session_of(twin), kind=kind, target=entry.rule.home, mode=mode)

    allowed = {Outcome.PASS} if twin is entry.twin else {Outcome.PASS, Outcome.NOT_APPLICABLE}
    assert result.outcome in allowed, result.message
