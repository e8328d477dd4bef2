"""Every metric passes every rule of the conformance suite, without one expectation.

By default one metric of each kind of state is checked in all modes, and the others eagerly against the rules that watch
their own formula; the code that they share is the same. With `ASSAY_CONFORMANCE=full` every metric is checked against
every rule in all modes.
"""

import os

import assay.keras_metrics as keras_metrics
import pytest
import tensorflow as tf
from assay.conformance import Mode, Outcome, check
from metric_subjects import SUBJECTS

pytestmark = [pytest.mark.flavour, pytest.mark.slow]

FULL = os.environ.get("ASSAY_CONFORMANCE") == "full"
IN_ALL_MODES = ("MeanIoU ignoring", "ExpectedCalibrationError")
OF_THE_FORMULA = (
    "K001", "K003", "K101", "K102", "K203", "K204", "K206", "K207", "K208", "K209", "K210", "K303",
)  # fmt: skip


@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda subject: subject.name)
def test_metric_conforms(subject):
    everything = FULL or subject.name in IN_ALL_MODES

    report = check(subject) if everything else check(subject, modes=[Mode.EAGER], select=OF_THE_FORMULA)

    blamed = [
        f"{result.rule} ({result.mode}): {result.message}"
        for result in report.results
        if result.outcome not in (Outcome.PASS, Outcome.NOT_APPLICABLE)
    ]
    assert not blamed
    assert sum(result.outcome is Outcome.PASS for result in report.results) >= (25 if everything else 7)


def test_every_metric_is_a_subject():
    classes = {
        name
        for name, value in vars(keras_metrics).items()
        if isinstance(value, type) and issubclass(value, tf.keras.metrics.Metric)
    }

    assert classes
    assert classes == {subject.name.split()[0] for subject in SUBJECTS}
