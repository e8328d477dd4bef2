"""No false alarm: built-in losses break the rules that are on record in `docs/findings.md`, and no other.

By default one of each sort is checked; `ASSAY_CONTROL_GROUP=all` checks every one, as does
`python -m tools.control_group --kind loss`.
"""

import inspect
import os

import pytest
from assay.conformance import check
from assay.conformance.harness import keras_for
from assay.conformance.harness.flavour import default_flavour
from assay.conformance.model import Level, Outcome
from control_losses import CASES, REPRESENTATIVE, control_subjects, findings_of

pytestmark = pytest.mark.flavour

CHOSEN = tuple(CASES) if os.environ.get("ASSAY_CONTROL_GROUP") == "all" else REPRESENTATIVE


@pytest.mark.slow
@pytest.mark.parametrize("name", CHOSEN)
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


def test_every_built_in_loss_is_in_the_group():
    losses = keras_for(default_flavour()).losses
    components = [getattr(losses, name) for name in dir(losses) if not name.startswith("_")]
    names = {component.__name__ for component in components if inspect.isroutine(component)}
    names |= {
        component.__name__
        for component in components
        if inspect.isclass(component) and issubclass(component, losses.Loss) and component is not losses.Loss
    }

    missing = names - {"get", "serialize", "deserialize"} - {case[0] for case in CASES.values()}

    assert not missing
    assert len(names) > 30
