import datetime
import xml.etree.ElementTree as ET

import pytest
from assay.conformance import Expectation, Level, Outcome, Report, UsageError
from assay.conformance.reports.junit import as_junit, write_junit
from conformance_builders import make_result


def suites(*results, **fields):
    root = ET.fromstring(as_junit(Report(results=results, environment={}, **fields)))
    return root, list(root)


def tags(*results, **fields):
    _, (suite,) = suites(*results, **fields)
    return [[child.tag for child in case] for case in suite]


def test_a_suite_a_subject_and_target_and_a_case_a_result():
    root, (first, second) = suites(make_result(), make_result(mode="graph"), make_result(subject="other"))

    assert [first.get("name"), second.get("name")] == ["specimen on cpu", "other on cpu"]
    assert [case.get("name") for case in first] == ["T900 made-up [cpu, eager]", "T900 made-up [cpu, graph]"]
    assert (root.get("tests"), root.get("failures")) == ("3", "0")


@pytest.mark.parametrize(
    ("outcome", "tag"),
    [
        (Outcome.PASS, []),
        (Outcome.FAIL, ["failure"]),
        (Outcome.EXPECTED_FAIL, ["skipped"]),
        (Outcome.UNEXPECTED_PASS, ["failure"]),
        (Outcome.NOT_APPLICABLE, ["skipped"]),
        (Outcome.NOT_RUN, ["skipped"]),
        (Outcome.ERROR, ["error"]),
    ],
)
def test_each_outcome_has_its_element(outcome, tag):
    assert tags(make_result(outcome)) == [tag]


def test_advice_fails_only_when_strict():
    advice = make_result(Outcome.FAIL, level=Level.SHOULD, message="Observed: that")

    assert tags(advice) == [["system-out"]]
    assert tags(advice, strict=True) == [["failure"]]
    assert tags(make_result(Outcome.NOT_RUN), strict=True) == [["failure"]]


def test_expired_expectation_is_a_failed_case():
    expired = Expectation(rule="T900", reason="soon", until=datetime.date(2020, 1, 1))

    root, (_, expectations) = suites(make_result(), expired=(expired,))

    assert root.get("failures") == "1"
    assert "2020-01-01" in expectations[0][0].get("message")


def test_what_xml_cannot_hold_is_replaced():
    _, (suite,) = suites(make_result(Outcome.FAIL, subject='<lambda> & "x"', message="bell \x07 and \ud800"))

    assert suite.get("name") == '<lambda> & "x" on cpu'
    assert suite[0][0].text == "bell \ufffd and \ufffd"


def test_file_that_cannot_be_written_is_a_usage_error(tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(UsageError, match="cannot be written"):
        write_junit(Report(results=(make_result(),), environment={}), tmp_path / "file" / "report.xml")
