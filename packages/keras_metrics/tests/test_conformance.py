"""Every metric passes every rule of the conformance suite, without one expectation.

By default one metric is checked against every rule in all modes, in both flavours of Keras, and the others eagerly
against the rules that look at their own options and formula: what they share is the same code. With
`ASSAY_CONFORMANCE=full` every metric is checked against every rule in all modes.
"""

import os

import assay.keras_metrics as keras_metrics
import pytest
import tensorflow as tf
from assay.conformance import Mode, Outcome, check
from metric_subjects import SUBJECTS

FULL = os.environ.get("ASSAY_CONFORMANCE") == "full"
IN_ALL_MODES = [one for one in SUBJECTS if FULL or one.name == "MeanIoU ignoring"]
OF_THE_FORMULA = ("K001", "K003", "K101", "K102", "K203", "K208", "K209", "K210", "K303")


def passes(report):
    """How many rules pass; none may do anything else, unless it does not apply."""
    blamed = [
        f"{result.rule} ({result.mode}): {result.message}"
        for result in report.results
        if result.outcome not in (Outcome.PASS, Outcome.NOT_APPLICABLE)
    ]
    assert not blamed
    return sum(result.outcome is Outcome.PASS for result in report.results)


@pytest.mark.slow
@pytest.mark.flavour
@pytest.mark.parametrize("subject", IN_ALL_MODES, ids=lambda subject: subject.name)
def test_metric_conforms_in_all_modes(subject):
    assert passes(check(subject)) >= 25


@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda subject: subject.name)
def test_options_and_formula_conform(subject):
    assert passes(check(subject, modes=[Mode.EAGER], select=OF_THE_FORMULA)) >= 4


def test_every_metric_is_a_subject():
    classes = {
        name
        for name, value in vars(keras_metrics).items()
        if isinstance(value, type) and issubclass(value, tf.keras.metrics.Metric)
    }

    assert classes
    assert classes == {subject.name.split()[0] for subject in SUBJECTS}
