"""No false alarm: built-in losses break the rules that are on record in `docs/findings.md`, and no other."""

import pytest
from assay.conformance import check
from assay.conformance.harness import keras_for
from assay.conformance.harness.flavour import default_flavour
from assay.conformance.model import Level, Outcome
from control_losses import CASES, control_subjects, findings_of

pytestmark = [pytest.mark.flavour, pytest.mark.slow]


@pytest.mark.parametrize("name", CASES)
def test_built_in_loss_breaks_only_what_is_on_record(name):
    flavour = default_flavour()
    subjects = [subject for subject in control_subjects(keras_for(flavour)) if subject.name == name]
    if not subjects:
        pytest.skip(f"{flavour} has no such loss")

    report = check(subjects)

    failed = {
        result.rule: result.message
        for result in report.results
        if result.outcome is Outcome.FAIL and result.level is Level.MUST
    }
    broken = [result.message for result in report.results if result.outcome in (Outcome.ERROR, Outcome.NOT_RUN)]
    assert set(failed) == findings_of(flavour, name), failed
    assert not broken
