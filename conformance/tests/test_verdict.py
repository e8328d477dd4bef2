import datetime

import pytest
from assay.conformance import Expectation, Level, Outcome
from assay.conformance.model import judge
from conformance_builders import make_result


def verdict_of(*results, strict=False, expired=()):
    return judge(results, strict=strict, expired=expired)


def test_passes_are_conformant_and_complete():
    verdict = verdict_of(make_result(), make_result(Outcome.NOT_APPLICABLE, mode="graph"))

    assert verdict.conformant
    assert verdict.complete
    assert verdict.line == "CONFORMANT: 1 of 1 rule, 2 results: 1 pass, 1 not-applicable"


def test_rules_left_out_show_in_the_line():
    assert judge([make_result()], promised=22).line == "CONFORMANT: 1 of 22 rules, 1 result: 1 pass"


def test_failed_must_rule_is_red_and_named():
    verdict = verdict_of(make_result(), make_result(Outcome.FAIL, rule="T104", mode="graph"))

    assert not verdict.conformant
    assert verdict.line.startswith("NOT CONFORMANT: 2 of 2 rules, 2 results: 1 pass, 1 fail")
    assert "MUST rules fail: T104 (graph)" in verdict.reasons


def test_failed_should_rule_is_advice_unless_strict():
    results = make_result(), make_result(Outcome.FAIL, level=Level.SHOULD, rule="T403")

    assert verdict_of(*results).conformant
    assert "SHOULD rules fail (advice): T403 (eager)" in verdict_of(*results).reasons
    assert not verdict_of(*results, strict=True).conformant


def test_what_could_not_run_is_never_plain_green():
    verdict = verdict_of(make_result(), make_result(Outcome.NOT_RUN, rule="T501", mode="replicas"))

    assert verdict.conformant
    assert not verdict.complete
    assert verdict.line.startswith("CONFORMANT AS FAR AS IT RAN")
    assert "1 not-run" in verdict.line
    assert verdict.reasons == ("rules could not be run: T501 (replicas)",)


def test_what_could_not_run_is_red_when_strict():
    assert not verdict_of(make_result(), make_result(Outcome.NOT_RUN), strict=True).conformant


def test_not_run_without_a_reason_is_red():
    assert not verdict_of(make_result(), make_result(Outcome.NOT_RUN, message="")).conformant


@pytest.mark.parametrize("outcome", [Outcome.ERROR, Outcome.UNEXPECTED_PASS])
def test_broken_check_and_stale_expectation_are_red(outcome):
    assert not verdict_of(make_result(), make_result(outcome)).conformant


def test_expected_failure_is_not_red_and_counted():
    verdict = verdict_of(make_result(), make_result(Outcome.EXPECTED_FAIL))

    assert verdict.conformant
    assert "1 expected-fail" in verdict.line


def test_expired_expectation_is_red_and_named():
    expired = Expectation(rule="T403", reason="bucketing is planned", until=datetime.date(2020, 1, 1))

    verdict = verdict_of(make_result(), expired=[expired])

    assert not verdict.conformant
    assert any("2020-01-01" in reason and "bucketing is planned" in reason for reason in verdict.reasons)


@pytest.mark.parametrize("results", [(), (make_result(Outcome.NOT_APPLICABLE),), (make_result(Outcome.NOT_RUN),)])
def test_nothing_carried_out_is_red(results):
    verdict = verdict_of(*results)

    assert not verdict.conformant
    assert "no check was carried out" in verdict.reasons
