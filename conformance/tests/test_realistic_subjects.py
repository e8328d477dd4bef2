"""Realistic third-party components fail the rules that they are known to break, and no others."""

import pytest
from assay.conformance.model import Outcome
from assay.conformance.registry import rules_for
from assay.conformance.runner import run_subject

from conformance.tests.subjects import host_metrics, input_pipelines, keras_metrics, losses, summary_managers

GROUPS = (
    losses.CASES,
    keras_metrics.CASES,
    host_metrics.CASES,
    summary_managers.CASES,
    input_pipelines.CASES,
)
CASES = [case for group in GROUPS for case in group]


@pytest.mark.parametrize("case", CASES, ids=[case.subject.name.replace(" ", "_") for case in CASES])
def test_subject_fails_the_rules_that_it_breaks_and_no_others(case):
    kind = case.subject.kind

    results = list(run_subject(case.subject, rules_for(kind), kind=kind))

    messages = {result.rule: result.message for result in results if result.outcome is Outcome.FAIL}
    assert {result.outcome for result in results} <= {Outcome.PASS, Outcome.FAIL, Outcome.NOT_APPLICABLE}, results
    assert case.fails <= set(messages), f"not seen: {sorted(case.fails - set(messages))}"
    unexpected = set(messages) - case.fails - case.may_fail
    assert not unexpected, "\n".join(messages[rule] for rule in sorted(unexpected))


def test_there_are_good_and_bad_subjects_of_each_kind():
    for cases in GROUPS:
        assert any(not case.fails for case in cases)
        assert any(case.fails for case in cases)


def test_every_known_failure_names_a_rule():
    for case in CASES:
        assert case.fails | case.may_fail <= {entry.rule.id for entry in rules_for(case.subject.kind)}
