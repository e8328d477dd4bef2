"""One common factor between sets of arrays, or none."""

import numpy as np
import pytest
from assay.conformance.harness.tasks import common_factor, projection
from assay.conformance.tolerances import Tolerance

TOLERANCE = Tolerance(1e-2, 0.0, "of the tests")
RANDOM = np.random.default_rng(0)
EXPECTED = {"kernel": RANDOM.normal(size=(4, 3)), "bias": RANDOM.normal(size=3)}


def scaled(**factors):
    return {name: factors[name] * value for name, value in EXPECTED.items()}


@pytest.mark.parametrize("factor", [-1.0, 0.0, 0.125, 0.5, 1.0, 2.0, 24.0])
def test_one_multiple_of_everything_is_the_factor(factor):
    found = common_factor(scaled(kernel=factor, bias=factor), EXPECTED, tolerance=TOLERANCE)

    assert found == pytest.approx(factor, abs=1e-12)


def test_a_factor_for_each_array_is_none():
    assert common_factor(scaled(kernel=1.0, bias=0.1), EXPECTED, tolerance=TOLERANCE) is None


def test_another_direction_is_none():
    actual = {**EXPECTED, "kernel": EXPECTED["kernel"][::-1]}

    assert common_factor(actual, EXPECTED, tolerance=TOLERANCE) is None


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_not_finite_are_none(bad):
    actual = {**EXPECTED, "bias": np.array([bad, 0.0, 0.0])}

    assert common_factor(actual, EXPECTED, tolerance=TOLERANCE) is None


def test_nothing_to_compare_with_is_none():
    zeros = {name: np.zeros_like(value) for name, value in EXPECTED.items()}

    assert common_factor(EXPECTED, zeros, tolerance=TOLERANCE) is None
    assert common_factor({}, EXPECTED, tolerance=TOLERANCE) is None


def test_rounding_of_float32_weights_does_not_hide_the_factor():
    weights = {name: np.float32(100.0) + value.astype(np.float32) for name, value in EXPECTED.items()}
    step = {name: 0.01 * value for name, value in EXPECTED.items()}
    update = {
        name: (weights[name] - np.float32(2.0) * step[name].astype(np.float32)).astype(np.float64) - weights[name]
        for name in weights
    }

    found = common_factor(update, {n: -s for n, s in step.items()}, tolerance=TOLERANCE, weights=weights)

    assert found == pytest.approx(2.0, rel=1e-2)


def test_a_step_lost_in_rounding_is_none():
    weights = {name: np.float32(1e6) + value.astype(np.float32) for name, value in EXPECTED.items()}
    update = {name: np.full_like(value, 0.0625) for name, value in EXPECTED.items()}

    assert common_factor(update, EXPECTED, tolerance=TOLERANCE, weights=weights) is None


def test_projection_is_the_nearest_multiple():
    noise = {name: RANDOM.normal(size=value.shape) * 1e-3 for name, value in EXPECTED.items()}
    actual = {name: 1.5 * value + noise[name] for name, value in EXPECTED.items()}

    assert projection(actual, EXPECTED) == pytest.approx(1.5, abs=1e-2)
    assert np.isnan(projection(EXPECTED, {name: np.zeros_like(value) for name, value in EXPECTED.items()}))
