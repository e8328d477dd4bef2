"""The cases that the loss rules draw."""

import numpy as np
import pytest
from assay.conformance.context import Context
from assay.conformance.harness.losses import Weighting, example_weights, explore, some_zero
from assay.conformance.model import Kind, Subject, SubjectError, Violation
from assay.conformance.session import Session


def context():
    return Context("L205", Session(Subject(abs, kind=Kind.LOSS)))


def explored(plain, examine, cases=example_weights, **options):
    explore(context(), plain, cases, examine, **options)


def test_weights_of_examples_hold_for_all_their_elements():
    weights = Weighting((1.0, 0.0)).array((2, 3))

    np.testing.assert_array_equal(weights, [[1, 1, 1], [0, 0, 0]])


def test_weights_of_elements_are_repeated_in_turn():
    weights = Weighting((1.0, 0.0, 0.5), elementwise=True).array((2, 2))

    np.testing.assert_array_equal(weights, [[1, 0], [0.5, 1]])
    assert weights.dtype == np.float32


def test_plain_cases_come_first_and_drawn_ones_after():
    seen = []

    explored([(9.0,), (8.0,)], seen.append)

    assert seen[:2] == [(9.0,), (8.0,)]
    assert len(seen) > 5


def test_a_plain_case_that_fails_is_reported_as_a_smaller_one():
    def examine(weights):
        if 0.0 in weights:
            raise Violation(f"{weights} holds a zero", cause="a zero", fix="None.")

    with pytest.raises(Violation, match=r"^\(0\.0,\) holds"):
        explored([(1.0, 0.0, 2.0, 0.0)], examine)


def test_a_plain_case_that_alone_fails_is_reported_itself():
    def examine(weights):
        if 9.0 in weights:
            raise Violation(f"{weights} holds a nine", cause="a nine", fix="None.")

    with pytest.raises(Violation, match="holds a nine"):
        explored([(9.0,)], examine)


def test_a_drawn_case_that_is_refused_is_passed_over_and_a_plain_one_is_not():
    def examine(weights):
        if len(weights) == 1:
            raise SubjectError("the loss", ValueError("needs two"))

    explored([(1.0, 1.0)], examine)
    with pytest.raises(SubjectError):
        explored([(1.0,)], examine)


def test_drawn_weights_hold_a_zero_and_something_else():
    seen = []

    explored([], seen.append, some_zero)

    assert seen
    assert all(0.0 in weights and any(weights) for weights in seen)
