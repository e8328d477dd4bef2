"""No false alarm: built-in metrics break the rules that are on record in `docs/findings.md`, and no other.

By default a representative dozen is checked; `ASSAY_CONTROL_GROUP=all` checks every one, as does
`python -m tools.control_group --kind keras_metric`.
"""

import os

import pytest
from assay.conformance import check
from assay.conformance.harness import keras_for
from assay.conformance.harness.flavour import default_flavour
from assay.conformance.model import Level, Outcome
from control_metrics import ADVICE, CASES, FINDINGS, REPRESENTATIVE, advice_of, control_subjects, findings_of

pytestmark = [pytest.mark.flavour, pytest.mark.slow]

CHOSEN = tuple(CASES) if os.environ.get("ASSAY_CONTROL_GROUP") == "all" else REPRESENTATIVE


@pytest.mark.parametrize("name", CHOSEN)
def test_built_in_metric_breaks_only_what_is_on_record(name):
    flavour = default_flavour()
    subjects = [subject for subject in control_subjects(keras_for(flavour)) if subject.name == name]
    if not subjects:
        pytest.skip(f"{flavour} has no such metric")

    report = check(subjects)

    failed = {
        level: {one.rule: one.message for one in report.results if one.outcome is Outcome.FAIL and one.level is level}
        for level in Level
    }
    broken = [result.message for result in report.results if result.outcome in (Outcome.ERROR, Outcome.NOT_RUN)]
    assert set(failed[Level.MUST]) == findings_of(flavour, name), failed[Level.MUST]
    assert set(failed[Level.SHOULD]) == advice_of(flavour, name), failed[Level.SHOULD]
    assert not broken


def test_every_name_on_record_is_a_case():
    on_record = {
        name for table in (FINDINGS, ADVICE) for rules in table.values() for names in rules.values() for name in names
    }

    assert on_record | set(REPRESENTATIVE) <= set(CASES)
