"""Every loss passes every rule of the conformance suite, without one expectation.

By default each subject is checked eagerly, and the first of each kind of computation in all modes. With
`ASSAY_CONFORMANCE=full` every subject is checked in all modes.
"""

import os

import assay.losses as losses
import pytest
import tensorflow as tf
from assay.conformance import Mode, Outcome, check
from loss_subjects import SUBJECTS

pytestmark = pytest.mark.flavour

FULL = os.environ.get("ASSAY_CONFORMANCE") == "full"
IN_ALL_MODES = ("CrossEntropyLoss ignoring", "SigmoidFocalLoss")


@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda subject: subject.name)
def test_loss_conforms(subject):
    modes = None if FULL or subject.name in IN_ALL_MODES else [Mode.EAGER]

    report = check(subject, modes=modes)

    blamed = [
        f"{result.rule} ({result.mode}): {result.message}"
        for result in report.results
        if result.outcome not in (Outcome.PASS, Outcome.NOT_APPLICABLE)
    ]
    assert not blamed
    assert sum(result.outcome is Outcome.PASS for result in report.results) >= 15


def test_every_loss_is_a_subject():
    classes = {
        name
        for name, value in vars(losses).items()
        if isinstance(value, type) and issubclass(value, tf.keras.losses.Loss)
    }

    assert classes
    assert classes == {subject.name.split()[0] for subject in SUBJECTS}
