"""The running mean: over values and not over updates, in any dtype, far beyond what float32 and float16 can count."""

import math

import numpy as np
import pytest
import tensorflow as tf
from assay.keras_metrics import RunningMean
from hypothesis import given, settings
from hypothesis import strategies as st

VALUES = st.floats(-1e6, 1e6, width=32, allow_subnormal=False)


def fed(*updates):
    metric = RunningMean()
    for update in updates:
        metric.update_state(*update)
    return metric.result().numpy()


@settings(max_examples=40)
@given(st.lists(st.lists(VALUES, min_size=1, max_size=5), min_size=1, max_size=4))
def test_mean_is_over_values_and_not_over_updates(parts):
    everything = [value for part in parts for value in part]

    value = fed(*[(np.float32(part),) for part in parts])

    assert value == pytest.approx(math.fsum(everything) / len(everything), rel=1e-5, abs=1e-3)


@settings(max_examples=40)
@given(st.lists(st.tuples(VALUES, st.floats(0.0625, 8, width=32)), min_size=1, max_size=6))
def test_weighted_mean_equals_the_formula(pairs):
    values, weights = zip(*pairs, strict=True)

    value = fed((np.float32(values), np.float32(weights)))

    wanted = math.fsum(v * w for v, w in pairs) / math.fsum(weights)
    assert value == pytest.approx(wanted, rel=1e-5, abs=1e-3)


def test_scalars_and_tensors_of_any_shape_are_taken():
    assert fed((1.0,), (np.array([[2.0, 3.0]]),), (6,), (True,)) == pytest.approx(13 / 5)


@pytest.mark.parametrize("dtype", [tf.float16, tf.bfloat16, tf.float32, tf.float64, tf.int32, tf.int64])
def test_values_of_every_dtype_count_alike(dtype):
    assert fed((tf.cast([1, 2, 6], dtype),)) == 3.0


def test_count_continues_past_the_limit_of_float32():
    metric = RunningMean()
    metric.update_state(1.0, tf.constant(2**24, tf.int64))

    for _ in range(8):
        metric.update_state(1.0)

    assert metric.weight.value("float64").numpy() == metric.sum.value("float64").numpy() == 2**24 + 8


def test_mean_of_float16_values_neither_overflows_nor_freezes():
    value = fed(*[(tf.constant([60000.0, 2000.0], tf.float16),)] * 50)

    assert value == pytest.approx((60000 + 2000) / 2, rel=1e-6)


def test_small_values_after_many_are_not_lost():
    metric = RunningMean()
    metric.update_state(tf.ones([2**20]))
    add = tf.function(lambda: metric.update_state(tf.constant(2.0**-18)))

    for _ in range(256):
        add()

    assert metric.sum.value("float64").numpy() == 2**20 + 256 * 2.0**-18


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_value_that_is_not_finite_shows_until_reset(bad):
    metric = RunningMean()
    metric.update_state([1.0, bad])
    shown = metric.result().numpy()

    metric.reset_state()
    metric.update_state(2.0)

    assert not np.isfinite(shown)
    assert metric.result().numpy() == 2.0


def test_weight_of_zero_equals_removal_also_of_nan():
    assert fed(([1.0, np.nan, np.inf], [2.0, 0.0, 0.0])) == 1.0


def test_weights_per_row_are_for_each_value_of_the_row():
    assert fed((np.array([[1.0, 3.0], [10.0, 20.0]]), [1.0, 0.0])) == 2.0


@pytest.mark.parametrize("weights", [(3,), (2, 3)])
def test_weights_that_do_not_fit_are_refused(weights):
    with pytest.raises(ValueError, match="sample_weight"):
        RunningMean().update_state([1.0, 2.0], np.ones(weights))


def test_no_update_is_zero():
    assert RunningMean().result().numpy() == 0.0
    assert fed(([1.0], [0.0])) == 0.0
