"""The JSON report and its schema, which is published as a file of this package."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import Any

from assay.conformance.model.report import Report
from assay.conformance.reports.files import write_whole

SCHEMA_FILE = "report.schema.json"


def report_schema() -> dict[str, Any]:
    """Return the JSON schema (draft 2020-12) that `Report.to_dict()` obeys."""
    text = resources.files("assay.conformance.reports").joinpath(SCHEMA_FILE).read_text(encoding="utf-8")
    return json.loads(text)


def write_json(report: Report, path: Path) -> None:
    """Write a report as JSON, whole or not at all.

    Raises:
      UsageError: If the file cannot be written.
    """
    write_whole(path, as_json(report))


def as_json(report: Report) -> str:
    """Return a report as indented JSON text with a final newline."""
    return json.dumps(report.to_dict(), indent=2, allow_nan=False) + "\n"
