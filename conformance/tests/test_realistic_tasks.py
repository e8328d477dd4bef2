"""Realistic third-party Tasks fail the rules that they are known to break, and no others.

By default each wrong Task is held against the rules that it breaks, and a few right ones against all rules;
`ASSAY_CONTROL_GROUP=all` holds every Task against every rule.
"""

import os

import pytest
from assay.conformance.checking import promised_rules
from assay.conformance.model import Kind, Outcome, Target
from assay.conformance.runner import run_subject

from conformance.tests.subjects.tasks import CASES, REPRESENTATIVE

ALL = os.environ.get("ASSAY_CONTROL_GROUP") == "all"
RULES = promised_rules(Kind.TASK, Target.CPU)
GATES = frozenset(entry.rule.id for entry in RULES if entry.rule.gate)
WRONG = [case for case in CASES if case.fails or case.missed]
RIGHT = [case for case in CASES if case not in WRONG]

pytestmark = [pytest.mark.flavour, pytest.mark.slow]


def by_name(cases):
    return [pytest.param(case, id=case.subject.name.replace(",", "").replace(" ", "_")) for case in cases]


def failures_of(case, rules):
    """The message of the first failure of each rule."""
    results = list(run_subject(case.subject, rules, kind=Kind.TASK))
    assert {result.outcome for result in results} <= {Outcome.PASS, Outcome.FAIL, Outcome.NOT_APPLICABLE}, results
    messages = {}
    for result in results:
        if result.outcome is Outcome.FAIL:
            messages.setdefault(result.rule, result.message)
    return messages


@pytest.mark.parametrize("case", by_name(WRONG))
def test_wrong_task_fails_the_rules_that_it_breaks(case):
    chosen = RULES if ALL else [entry for entry in RULES if entry.rule.id in case.fails | case.missed | GATES]

    messages = failures_of(case, chosen)

    assert case.fails <= set(messages), f"not seen: {sorted(case.fails - set(messages))}"
    assert not case.missed & set(messages), f"seen now: {sorted(case.missed & set(messages))}; change the verdict"
    unexpected = set(messages) - case.fails - case.may_fail
    assert not unexpected, "\n".join(messages[rule] for rule in sorted(unexpected))


@pytest.mark.parametrize(
    "case", by_name(RIGHT if ALL else [case for case in RIGHT if case.subject.name in REPRESENTATIVE])
)
def test_right_task_fails_no_rule(case):
    messages = failures_of(case, RULES)

    assert set(messages) <= case.may_fail, "\n".join(messages.values())


def test_every_verdict_names_rules_and_every_representative_a_task():
    known = {entry.rule.id for entry in RULES}

    assert all(case.fails | case.may_fail | case.missed <= known for case in CASES)
    assert {case.subject.name for case in RIGHT} >= set(REPRESENTATIVE)


def test_names_are_unique():
    names = [case.subject.name for case in CASES]

    assert len(set(names)) == len(names)
