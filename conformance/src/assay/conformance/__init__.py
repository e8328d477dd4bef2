"""The conformance suite for custom TensorFlow training components: rules, checks, and reports that say what ran."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from assay.conformance.checking import check as check
    from assay.conformance.devices import set_up_devices as set_up_devices
    from assay.conformance.model.errors import NotApplicable as NotApplicable
    from assay.conformance.model.errors import NotRun as NotRun
    from assay.conformance.model.errors import UsageError as UsageError
    from assay.conformance.model.errors import Violation as Violation
    from assay.conformance.model.expectations import Expectation as Expectation
    from assay.conformance.model.kinds import Kind as Kind
    from assay.conformance.model.report import Report as Report
    from assay.conformance.model.result import Result as Result
    from assay.conformance.model.subject import Subject as Subject
    from assay.conformance.model.traits import TRAITS as TRAITS
    from assay.conformance.model.verdict import Verdict as Verdict
    from assay.conformance.model.vocabulary import Evidence as Evidence
    from assay.conformance.model.vocabulary import Level as Level
    from assay.conformance.model.vocabulary import Mode as Mode
    from assay.conformance.model.vocabulary import Outcome as Outcome
    from assay.conformance.model.vocabulary import Target as Target
    from assay.conformance.pytest_plugin.suites import ConformanceAdvice as ConformanceAdvice
    from assay.conformance.pytest_plugin.suites import conformance_tests as conformance_tests
    from assay.conformance.pytest_plugin.suites import parametrize_with_rules as parametrize_with_rules
    from assay.conformance.registry import all_rules as all_rules
    from assay.conformance.registry import find_rule as find_rule
    from assay.conformance.reports.schema import report_schema as report_schema

# Where each name lives; it is imported when it is first asked for, so that importing a part (the command line, the
# declaration of a test) does not pay for NumPy and the engine.
_HOMES = {
    "check": "checking",
    "set_up_devices": "devices",
    "NotApplicable": "model.errors",
    "NotRun": "model.errors",
    "UsageError": "model.errors",
    "Violation": "model.errors",
    "Expectation": "model.expectations",
    "Kind": "model.kinds",
    "Report": "model.report",
    "Result": "model.result",
    "Subject": "model.subject",
    "TRAITS": "model.traits",
    "Verdict": "model.verdict",
    "Evidence": "model.vocabulary",
    "Level": "model.vocabulary",
    "Mode": "model.vocabulary",
    "Outcome": "model.vocabulary",
    "Target": "model.vocabulary",
    "ConformanceAdvice": "pytest_plugin.suites",
    "conformance_tests": "pytest_plugin.suites",
    "parametrize_with_rules": "pytest_plugin.suites",
    "all_rules": "registry",
    "find_rule": "registry",
    "report_schema": "reports.schema",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    """Import a public name on first use."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
