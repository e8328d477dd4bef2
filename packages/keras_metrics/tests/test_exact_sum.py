"""The sum behind the metrics: exact where float32 stops, the same for any split and order."""

from fractions import Fraction

import numpy as np
import pytest
import tensorflow as tf
from assay.keras_metrics import Accuracy
from assay.keras_metrics._exact_sum import UNITS_PER_ONE, ExactSum
from hypothesis import given
from hypothesis import strategies as st

FLOAT32_LIMIT = 2**24


def exact_sum():
    return ExactSum(Accuracy(), "probe")


def held(total):
    """The exact value of the two variables."""
    return Fraction(int(total.units.numpy()), UNITS_PER_ONE) + Fraction(float(total.remainder.numpy()))


# TensorFlow flushes subnormal numbers to 0.
@given(st.lists(st.floats(0, 2**30, width=32, allow_subnormal=False), max_size=8))
def test_single_terms_are_held_exactly(terms):
    for term in terms:
        total = exact_sum()
        total.add(tf.constant([term], tf.float32))

        assert held(total) == Fraction(term)


@given(st.lists(st.integers(-(2**40), 2**40), max_size=8))
def test_integers_are_exact(terms):
    total = exact_sum()

    total.add(tf.constant(terms, tf.int64))

    assert held(total) == sum(terms)


def test_counts_continue_past_the_limit_of_float32():
    total = exact_sum()
    total.add(tf.constant([FLOAT32_LIMIT], tf.int64))

    for _ in range(3):
        total.add(tf.constant([1.0]))

    assert np.float32(FLOAT32_LIMIT) + np.float32(1) == FLOAT32_LIMIT  # what a float32 counter does
    assert held(total) == FLOAT32_LIMIT + 3


@given(st.lists(st.integers(0, 2**21), min_size=1, max_size=30), st.randoms(use_true_random=False))
def test_any_order_and_split_give_the_same_bits(units, random):
    terms = np.array(units, np.float64) / UNITS_PER_ONE
    whole, parts = exact_sum(), exact_sum()
    whole.add(tf.constant(terms, tf.float32))
    shuffled = list(terms)
    random.shuffle(shuffled)
    cut = random.randint(0, len(shuffled))

    for part in (shuffled[:cut], shuffled[cut:]):
        parts.add(tf.constant(part, tf.float32))

    assert whole.units.numpy() == parts.units.numpy()
    assert whole.remainder.numpy() == parts.remainder.numpy() == 0.0


def test_four_thousand_small_terms_stay_accurate():
    total = exact_sum()
    add = tf.function(total.add)

    for _ in range(4000):
        add(tf.constant([0.1], tf.float32))

    assert float(held(total)) == pytest.approx(4000 * float(np.float32(0.1)), rel=1e-9)


@pytest.mark.parametrize("term", [np.nan, np.inf, -np.inf])
def test_term_that_is_not_finite_shows(term):
    total = exact_sum()

    total.add(tf.constant([1.0, term]))

    assert not np.isfinite(total.value().numpy())


def test_huge_term_does_not_overflow():
    total = exact_sum()

    total.add(tf.constant([1e30, 1.0]))

    assert total.value().numpy() == np.float32(1e30)


def test_value_has_the_dtype_asked_for():
    total = exact_sum()
    total.add(tf.constant([0.5]))

    assert total.value().dtype == tf.float32
    assert total.value("float64").dtype == tf.float64
    assert total.value("float64").numpy() == 0.5
