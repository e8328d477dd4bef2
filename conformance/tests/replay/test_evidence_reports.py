"""The reports in docs/evidence: valid, small, without a failure, and of the device that the page says."""

import json
from pathlib import Path

import jsonschema
import pytest
from assay.conformance.replay.reading import read_report
from assay.conformance.replay.report import replay_schema

FOLDER = Path(__file__).parents[3] / "docs" / "evidence"
FILES = sorted(FOLDER.glob("*.[cgt]pu*.json"))
LARGEST = 400_000


def test_there_are_reports():
    assert FILES


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_report_is_valid_small_and_without_a_failure(path):
    plain = json.loads(path.read_text())
    jsonschema.Draft202012Validator(replay_schema()).validate(plain)

    assert path.stat().st_size < LARGEST
    verdicts = {case["verdict"] for bundle in plain["bundles"] for one in bundle["programs"] for case in one["cases"]}
    assert "fail" not in verdicts
    assert "pass" in verdicts
    assert read_report(path).platform == path.name.split(".")[1].split("-")[0]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_page_names_each_report(path):
    assert f"{path.name}" in (FOLDER / "README.md").read_text()
