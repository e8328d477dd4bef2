"""Realistic third-party Tasks fail the rules that they are known to break, and no others.

By default a wrong Task for each rule is held against the rules that it breaks, and a right one against the rules that
need no other process. `ASSAY_CONTROL_GROUP=all` holds every Task against every rule: about half an hour on two cores.
"""

import os

import pytest
from assay.conformance.checking import promised_rules
from assay.conformance.model import Kind, Outcome, Target
from assay.conformance.runner import run_subject

from conformance.tests.subjects.tasks import CASES

pytestmark = [pytest.mark.flavour, pytest.mark.slow]

ALL = os.environ.get("ASSAY_CONTROL_GROUP") == "all"
RULES = promised_rules(Kind.TASK, Target.CPU)
GATES = frozenset(entry.rule.id for entry in RULES if entry.rule.gate)
STARTS_PROCESSES = frozenset({"T601", "T605", "T606"})
WRONG = [case for case in CASES if case.fails or case.missed]
RIGHT = [case for case in CASES if case not in WRONG]
SHORTCOMING = "TensorFlow itself gets the shape of a convolution of no images wrong"
"""Why a rule is not run in a process that imported TensorFlow before the suite could set it up."""


def one_for_each_rule(cases):
    """The first Task that breaks each rule, and those that break what is missed."""
    seen, chosen = set(), []
    for case in cases:
        if (case.fails | case.missed) - seen:
            chosen.append(case)
            seen |= case.fails | case.missed
    return chosen


def by_name(cases):
    return [pytest.param(case, id=case.subject.name.replace(",", "").replace(" ", "_")) for case in cases]


def failures_of(case, rules):
    """The message of the first failure of each rule."""
    results = list(run_subject(case.subject, rules, kind=Kind.TASK))
    spoken = {Outcome.PASS, Outcome.FAIL, Outcome.NOT_APPLICABLE}
    assert not [result for result in results if result.outcome not in spoken and SHORTCOMING not in result.message]
    messages = {}
    for result in results:
        if result.outcome is Outcome.FAIL:
            messages.setdefault(result.rule, result.message)
    return messages


@pytest.mark.parametrize("case", by_name(WRONG if ALL else one_for_each_rule(WRONG)))
def test_wrong_task_fails_the_rules_that_it_breaks(case):
    own = case.fails | case.missed | GATES

    messages = failures_of(case, [entry for entry in RULES if ALL or entry.rule.id in own])

    assert case.fails <= set(messages), f"not seen: {sorted(case.fails - set(messages))}"
    assert not case.missed & set(messages), f"seen now: {sorted(case.missed & set(messages))}; change the verdict"
    unexpected = set(messages) - case.fails - case.may_fail
    assert not unexpected, "\n".join(messages[rule] for rule in sorted(unexpected))


@pytest.mark.parametrize("case", by_name(RIGHT if ALL else RIGHT[:1]))
def test_right_task_fails_no_rule(case):
    messages = failures_of(case, [entry for entry in RULES if ALL or entry.rule.id not in STARTS_PROCESSES])

    assert set(messages) <= case.may_fail, "\n".join(messages.values())


def test_every_verdict_names_rules():
    known = {entry.rule.id for entry in RULES}

    assert all(case.fails | case.may_fail | case.missed <= known for case in CASES)
    assert RIGHT
    assert WRONG


def test_names_are_unique():
    names = [case.subject.name for case in CASES]

    assert len(set(names)) == len(names)
