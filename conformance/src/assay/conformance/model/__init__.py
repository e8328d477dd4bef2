"""The model of the suite: what a subject, a rule and a result are, and the words for levels, modes and outcomes."""

from assay.conformance.model.errors import NotApplicable as NotApplicable
from assay.conformance.model.errors import NotRun as NotRun
from assay.conformance.model.errors import SubjectError as SubjectError
from assay.conformance.model.errors import UsageError as UsageError
from assay.conformance.model.errors import Violation as Violation
from assay.conformance.model.expectations import Expectation as Expectation
from assay.conformance.model.expectations import apply_expectations as apply_expectations
from assay.conformance.model.expectations import parse_expectations as parse_expectations
from assay.conformance.model.kinds import Kind as Kind
from assay.conformance.model.kinds import infer_kind as infer_kind
from assay.conformance.model.report import Report as Report
from assay.conformance.model.result import Finding as Finding
from assay.conformance.model.result import Result as Result
from assay.conformance.model.rule import RegisteredRule as RegisteredRule
from assay.conformance.model.rule import Rule as Rule
from assay.conformance.model.subject import Subject as Subject
from assay.conformance.model.traits import TRAITS as TRAITS
from assay.conformance.model.traits import Trait as Trait
from assay.conformance.model.traits import check_traits as check_traits
from assay.conformance.model.verdict import Verdict as Verdict
from assay.conformance.model.verdict import judge as judge
from assay.conformance.model.vocabulary import Evidence as Evidence
from assay.conformance.model.vocabulary import Level as Level
from assay.conformance.model.vocabulary import Mode as Mode
from assay.conformance.model.vocabulary import Outcome as Outcome
from assay.conformance.model.vocabulary import Target as Target
