"""What the report says was inferred of a loss."""

import numpy as np
from assay.conformance import Subject
from assay.conformance.context import Context
from assay.conformance.harness.losses import describe
from assay.conformance.session import Session

SAMPLE = (np.array([0, 2, 1]), np.random.default_rng(0).normal(size=(3, 3)))


def predictions_first(logits, labels):
    return labels, logits


def described(factory, **traits):
    return describe(Context(rule_id="L000", session=Session(Subject(factory, SAMPLE, kind="loss", traits=traits))))


def test_an_order_told_from_the_names_of_parameters_is_said():
    (line,) = described(predictions_first)[2:]

    assert line.startswith("called as (predictions, labels)")
    assert "'arguments'" in line


def test_a_declared_order_is_not_said_again():
    assert len(described(predictions_first, arguments=("y_pred", "y_true"))) == 2


def test_a_factory_that_raises_leaves_what_is_known_of_the_sample():
    def broken():
        raise ValueError("no")

    assert len(described(broken)) == 2
