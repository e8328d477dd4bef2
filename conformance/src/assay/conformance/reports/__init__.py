"""Reports for readers: the terminal's table, and JSON with its published schema."""

from assay.conformance.reports.schema import report_schema as report_schema
from assay.conformance.reports.schema import write_json as write_json
