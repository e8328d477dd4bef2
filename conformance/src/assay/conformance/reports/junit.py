"""The JUnit report: what CI servers read, a test suite for each subject and target."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

from assay.conformance.model.report import Report
from assay.conformance.model.result import Result
from assay.conformance.model.vocabulary import Level, Outcome
from assay.conformance.reports.files import write_whole

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_FAILED = (Outcome.FAIL, Outcome.UNEXPECTED_PASS)
_SKIPPED = (Outcome.NOT_APPLICABLE, Outcome.NOT_RUN, Outcome.EXPECTED_FAIL)


def as_junit(report: Report) -> str:
    """Return a report as JUnit XML.

    A test case is a rule in a mode. A SHOULD rule that fails is a failure only when the report is strict, as in the
    verdict; otherwise it is a pass that says so in `system-out`. What does not apply, could not be run or is expected
    to fail is skipped, with the reason. An expired expectation is a failed case of a suite of its own.
    """
    root = ET.Element("testsuites", name="assay", time=f"{report.seconds:.3f}")
    groups: dict[tuple[str, str], list[Result]] = {}
    for result in report.results:
        groups.setdefault((result.subject, result.target), []).append(result)
    for (subject, target), results in groups.items():
        suite = ET.SubElement(root, "testsuite", name=_clean(f"{subject} on {target}"))
        for result in results:
            _add_case(suite, result, strict=report.strict)
        _count(suite)
    if report.expired:
        suite = ET.SubElement(root, "testsuite", name="expectations")
        for expectation in report.expired:
            case = ET.SubElement(suite, "testcase", classname="expectations", name=_clean(str(expectation)), time="0")
            ET.SubElement(case, "failure", message=f"expired on {expectation.until}")
        _count(suite)
    for key in ("tests", "failures", "errors", "skipped"):
        root.set(key, str(sum(int(suite.get(key, "0")) for suite in root)))
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def write_junit(report: Report, path: Path) -> None:
    """Write a report as JUnit XML, whole or not at all.

    Raises:
      UsageError: If the file cannot be written.
    """
    write_whole(path, as_junit(report))


def _add_case(suite: ET.Element, result: Result, *, strict: bool) -> None:
    case = ET.SubElement(
        suite,
        "testcase",
        classname=_clean(f"{result.kind}.{result.subject}"),
        name=f"{result.rule} {result.slug} [{result.target}, {result.mode}]",
        time=f"{result.seconds:.3f}",
    )
    if result.device:
        properties = ET.SubElement(case, "properties")
        ET.SubElement(properties, "property", name="device", value=_clean(result.device))
    message = _clean(result.reason or _headline(result))
    advice = result.level is Level.SHOULD and result.outcome is Outcome.FAIL and not strict
    if advice:
        ET.SubElement(case, "system-out").text = _clean(f"Advice (SHOULD):\n{result.message}")
    elif result.outcome in _FAILED or (strict and result.outcome is Outcome.NOT_RUN):
        ET.SubElement(case, "failure", type=result.level.value, message=message).text = _clean(result.message)
    elif result.outcome is Outcome.ERROR:
        ET.SubElement(case, "error", message="the check itself broke").text = _clean(result.message)
    elif result.outcome in _SKIPPED:
        ET.SubElement(case, "skipped", type=result.outcome.value, message=message)


def _headline(result: Result) -> str:
    return result.finding.observed if result.finding is not None else result.message


def _count(suite: ET.Element) -> None:
    cases = suite.findall("testcase")
    suite.set("tests", str(len(cases)))
    suite.set("failures", str(sum(case.find("failure") is not None for case in cases)))
    suite.set("errors", str(sum(case.find("error") is not None for case in cases)))
    suite.set("skipped", str(sum(case.find("skipped") is not None for case in cases)))
    suite.set("time", f"{sum(float(case.get('time', '0')) for case in cases):.3f}")


def _clean(text: str) -> str:
    """The text without the characters that XML cannot hold, not even escaped."""
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)
