"""The conformance suite for custom TensorFlow training components: rules, checks, and reports that say what ran."""

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
from assay.conformance.registry import all_rules as all_rules
from assay.conformance.registry import find_rule as find_rule
from assay.conformance.reports.schema import report_schema as report_schema
