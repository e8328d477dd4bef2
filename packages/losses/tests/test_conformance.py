"""Every loss passes every rule of the conformance suite, without one expectation.

By default two subjects are checked on all rules in all modes under both flavours, and the others eagerly on the rules
of `IN_SHORT`. With `ASSAY_CONFORMANCE=full` every subject is checked on all rules in all modes.
"""

import os

import assay.losses as losses
import pytest
import tensorflow as tf
from assay.conformance import Mode, Outcome, check
from loss_subjects import SUBJECTS

FULL = os.environ.get("ASSAY_CONFORMANCE") == "full"
IN_ALL_MODES = ("CrossEntropyLoss ignoring", "SigmoidFocalLoss")
IN_SHORT = ("L000", "L002", "L102", "L103", "L205", "L206", "L210", "L301", "L302")


def parameters():
    for subject in SUBJECTS:
        thorough = FULL or subject.name in IN_ALL_MODES
        yield pytest.param(subject, thorough, marks=[pytest.mark.flavour] if thorough else [], id=subject.name)


@pytest.mark.parametrize(("subject", "thorough"), list(parameters()))
def test_loss_conforms(subject, thorough):
    report = check(subject) if thorough else check(subject, select=IN_SHORT, modes=[Mode.EAGER])

    blamed = [
        f"{result.rule} ({result.mode}): {result.message}"
        for result in report.results
        if result.outcome not in (Outcome.PASS, Outcome.NOT_APPLICABLE)
    ]
    assert not blamed
    assert sum(result.outcome is Outcome.PASS for result in report.results) >= (20 if thorough else 4)


def test_every_loss_is_a_subject():
    classes = {
        name
        for name, value in vars(losses).items()
        if isinstance(value, type) and issubclass(value, tf.keras.losses.Loss)
    }

    assert classes
    assert classes == {subject.name.split()[0] for subject in SUBJECTS}
