import datetime

import pytest
from assay.conformance import Expectation, Outcome, UsageError
from assay.conformance.model import apply_expectations, parse_expectations
from conformance_builders import make_result

TODAY = datetime.date(2026, 6, 1)


def outcomes(results, *expectations):
    marked, expired = apply_expectations(results, expectations, today=TODAY)
    return [result.outcome for result in marked], expired


def test_failure_that_is_expected_carries_the_reason():
    expectation = Expectation(rule="T900", reason="known since May")

    marked, _ = apply_expectations([make_result(Outcome.FAIL)], [expectation], today=TODAY)

    assert marked[0].outcome is Outcome.EXPECTED_FAIL
    assert marked[0].reason == "known since May"
    assert marked[0].finding is not None


def test_expectation_that_passes_everywhere_is_stale():
    found, _ = outcomes([make_result(), make_result(mode="graph")], Expectation(rule="T900", reason="r"))

    assert found == [Outcome.UNEXPECTED_PASS, Outcome.UNEXPECTED_PASS]


def test_expectation_that_fails_in_one_mode_is_not_stale():
    found, _ = outcomes([make_result(), make_result(Outcome.FAIL, mode="graph")], Expectation(rule="T900", reason="r"))

    assert found == [Outcome.PASS, Outcome.EXPECTED_FAIL]


def test_expectation_of_a_mode_leaves_the_others():
    expectation = Expectation(rule="T900", reason="r", modes=("graph",))

    found, _ = outcomes([make_result(Outcome.FAIL), make_result(Outcome.FAIL, mode="graph")], expectation)

    assert found == [Outcome.FAIL, Outcome.EXPECTED_FAIL]


@pytest.mark.parametrize(
    ("pattern", "expected"), [("spec*", True), ("package.module:specimen", True), ("other", False)]
)
def test_expectation_names_its_subject_by_name_or_origin(pattern, expected):
    found, _ = outcomes([make_result(Outcome.FAIL)], Expectation(rule="T900", reason="r", subject=pattern))

    assert (found == [Outcome.EXPECTED_FAIL]) is expected


def test_expectation_holds_on_its_last_day():
    found, expired = outcomes([make_result(Outcome.FAIL)], Expectation(rule="T900", reason="r", until=TODAY))

    assert found == [Outcome.EXPECTED_FAIL]
    assert not expired


def test_expired_expectation_changes_nothing_and_is_reported():
    expectation = Expectation(rule="T900", reason="r", until=TODAY - datetime.timedelta(days=1))

    found, expired = outcomes([make_result(Outcome.FAIL)], expectation)

    assert found == [Outcome.FAIL]
    assert expired == (expectation,)


@pytest.mark.parametrize("outcome", [Outcome.NOT_APPLICABLE, Outcome.NOT_RUN, Outcome.ERROR])
def test_expectation_says_nothing_of_what_did_not_run(outcome):
    found, _ = outcomes([make_result(outcome)], Expectation(rule="T900", reason="r"))

    assert found == [outcome]


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ([{"rule": "T900"}], "needs a reason"),
        ([{"rule": "T900", "reason": "  "}], "needs a reason"),
        ([{"reason": "r"}], "needs a rule"),
        ([{"rule": "T900", "reason": "r", "til": "2027-01-01"}], "no field 'til'; the nearest is 'until'"),
        ([{"rule": "T900", "reason": "r", "until": "soon"}], "no date"),
        ({"rule": "T900"}, "must be tables"),
    ],
)
def test_expectation_that_cannot_be_read_says_why(tables, message):
    with pytest.raises(UsageError, match=message):
        parse_expectations(tables, source="pyproject.toml")


def test_dates_are_read_from_toml_and_from_text():
    day = datetime.date(2027, 1, 31)
    tables = [{"rule": "A001", "reason": "r", "until": value} for value in (day, "2027-01-31")]

    assert [expectation.until for expectation in parse_expectations(tables, source="x")] == [day, day]
