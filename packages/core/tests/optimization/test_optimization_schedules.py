"""Learning rates against closed forms in float64."""

import json

import numpy as np
import pytest
import tensorflow as tf
from assay.core.config import ConfigError, OptimizationConfig
from assay.core.optimization import LinearWarmup, build_learning_rate
from hypothesis import given
from hypothesis import strategies as st

pytestmark = pytest.mark.flavour


def learning_rate(schedule, warmup=None):
    mapping = {"learning_rate": {"type": schedule[0], schedule[0]: schedule[1]}}
    if warmup is not None:
        mapping["warmup"] = {"type": warmup[0], warmup[0]: warmup[1]}
    return build_learning_rate(OptimizationConfig.from_dict(mapping))


def values(rate, steps):
    return np.array([float(rate(tf.constant(step, tf.int64))) for step in steps])


def cosine(step, initial, decay_steps, alpha=0.0):
    share = np.minimum(np.asarray(step, np.float64), decay_steps) / decay_steps
    return initial * ((1 - alpha) * 0.5 * (1 + np.cos(np.pi * share)) + alpha)


def test_constant_is_a_number():
    assert learning_rate(("constant", {"learning_rate": 0.25})) == 0.25


def test_stepwise_holds_a_value_up_to_and_with_its_boundary():
    rate = learning_rate(("stepwise", {"boundaries": [3, 5], "values": [1.0, 0.5, 0.25]}))

    np.testing.assert_array_equal(values(rate, range(8)), [1, 1, 1, 1, 0.5, 0.5, 0.25, 0.25])


def test_stepwise_with_one_boundary_and_offset():
    rate = learning_rate(("stepwise", {"boundaries": [2], "values": [1.0, 0.5], "offset": 3}))

    np.testing.assert_array_equal(values(rate, [0, 5, 6]), [1, 1, 0.5])


@pytest.mark.parametrize("staircase", [False, True])
def test_exponential(staircase):
    options = {"initial_learning_rate": 0.3, "decay_steps": 4, "decay_rate": 0.7, "staircase": staircase}
    steps = np.arange(10)

    power = steps // 4 if staircase else steps / 4
    np.testing.assert_allclose(values(learning_rate(("exponential", options)), steps), 0.3 * 0.7**power, rtol=1e-6)


def test_polynomial():
    options = {"initial_learning_rate": 0.3, "decay_steps": 8, "end_learning_rate": 0.1, "power": 2.0}
    steps = np.arange(12)

    expected = 0.2 * (1 - np.minimum(steps, 8) / 8) ** 2 + 0.1
    np.testing.assert_allclose(values(learning_rate(("polynomial", options)), steps), expected, rtol=1e-6)


def test_cosine_reaches_alpha_and_stays():
    options = {"initial_learning_rate": 0.3, "decay_steps": 8, "alpha": 0.1}
    steps = np.arange(12)

    rate = values(learning_rate(("cosine", options)), steps)

    np.testing.assert_allclose(rate, cosine(steps, 0.3, 8, 0.1), rtol=1e-6)


def test_cosine_offset_begins_the_decay_later():
    options = {"initial_learning_rate": 0.3, "decay_steps": 8, "offset": 5}
    steps = np.arange(16)

    rate = values(learning_rate(("cosine", options)), steps)

    np.testing.assert_allclose(rate, cosine(np.maximum(steps - 5, 0), 0.3, 8), rtol=1e-6, atol=1e-8)


def test_linear_warmup_is_a_line_to_the_schedule():
    rate = learning_rate(
        ("cosine", {"initial_learning_rate": 0.4, "decay_steps": 20}),
        ("linear", {"warmup_steps": 4, "warmup_learning_rate": 0.1}),
    )

    target = cosine(4, 0.4, 20)
    np.testing.assert_allclose(values(rate, range(4)), 0.1 + (target - 0.1) * np.arange(4) / 4, rtol=1e-6)
    np.testing.assert_allclose(values(rate, [4, 5, 20]), cosine([4, 5, 20], 0.4, 20), rtol=1e-6, atol=1e-8)


def test_polynomial_warmup_is_a_power_of_the_share():
    rate = learning_rate(("constant", {"learning_rate": 0.4}), ("polynomial", {"warmup_steps": 5, "power": 2.0}))

    expected = np.where(np.arange(8) < 5, 0.4 * (np.arange(8) / 5) ** 2, 0.4)
    np.testing.assert_allclose(values(rate, range(8)), expected, rtol=1e-6)


@given(
    warmup_steps=st.integers(1, 300),
    first=st.floats(0.0, 1.0),
    initial=st.floats(1e-4, 10.0),
    kind=st.sampled_from(["linear", "polynomial"]),
)
def test_warmup_meets_the_schedule_exactly(warmup_steps, first, initial, kind):
    schedule = ("cosine", {"initial_learning_rate": initial, "decay_steps": 1000})
    options = {"warmup_steps": warmup_steps} | ({"warmup_learning_rate": first} if kind == "linear" else {})

    warmed, plain = learning_rate(schedule, (kind, options)), learning_rate(schedule)

    for step in (warmup_steps, warmup_steps + 1):
        np.testing.assert_array_equal(warmed(tf.constant(step, tf.int64)), plain(tf.constant(step, tf.int64)))


@pytest.mark.parametrize(("first", "target"), [(0.15, 0.7), (0.3, 1.4), (0.3, 1.9)])
def test_warmup_meets_the_schedule_where_float32_rounds_the_line(first, target):
    line = np.float32(first) + (np.float32(target) - np.float32(first))
    assert line != np.float32(target)

    np.testing.assert_array_equal(LinearWarmup(target, 4, first)(4), np.float32(target))


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize(
    "schedule",
    [
        ("cosine", {"initial_learning_rate": 0.4, "decay_steps": 20, "offset": 2}),
        ("stepwise", {"boundaries": [5, 7], "values": [0.4, 0.2, 0.1]}),
    ],
)
def test_schedule_is_the_same_inside_a_graph(schedule, jit_compile):
    rate = learning_rate(schedule, ("linear", {"warmup_steps": 4}))

    graph = tf.function(rate, jit_compile=jit_compile)

    np.testing.assert_allclose(values(graph, range(10)), values(rate, range(10)), rtol=1e-6)


@pytest.mark.parametrize("warmup", [("linear", {"warmup_steps": 3}), ("polynomial", {"warmup_steps": 3, "power": 2.0})])
@pytest.mark.parametrize(
    "schedule",
    [
        ("constant", {"learning_rate": 0.4}),
        ("cosine", {"initial_learning_rate": 0.4, "decay_steps": 20, "offset": 2}),
    ],
)
def test_schedule_survives_serialisation_with_its_optimizer(schedule, warmup):
    rate = learning_rate(schedule, warmup)
    optimizer = tf.keras.optimizers.SGD(rate)

    config = json.loads(json.dumps(tf.keras.optimizers.serialize(optimizer)))
    rebuilt = tf.keras.optimizers.deserialize(config)

    variable = tf.Variable(1.0)
    rebuilt.build([variable])
    seen = []
    for _ in range(6):
        before = float(variable)
        rebuilt.apply_gradients([(tf.constant(1.0), variable)])
        seen.append(before - float(variable))
    np.testing.assert_allclose(seen, values(rate, range(6)), atol=1e-6)


def test_warmup_without_steps_is_refused():
    with pytest.raises(ValueError, match="`warmup_steps` must be above 0; received 0"):
        LinearWarmup(0.1, warmup_steps=0)


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({}, r"learning_rate.type` must be set, to one of: constant, stepwise"),
        ({"learning_rate": {"type": "cosine"}}, r"learning_rate.cosine.initial_learning_rate: must be given"),
        (
            {"learning_rate": {"type": "stepwise", "stepwise": {"boundaries": [1, 2], "values": [0.1, 0.2]}}},
            r"one item more than `boundaries`; received 2 values and 2 boundaries",
        ),
        (
            {"learning_rate": {"type": "stepwise", "stepwise": {"boundaries": [2, 2], "values": [0.1, 0.2, 0.3]}}},
            r"stepwise.boundaries: must increase; received \[2, 2\]",
        ),
        (
            {"learning_rate": {"type": "constant"}, "warmup": {"type": "linear"}},
            r"warmup.linear.warmup_steps: must be above 0; received None",
        ),
    ],
)
def test_incomplete_schedule_is_refused_by_name(mapping, message):
    with pytest.raises(ConfigError, match=message):
        build_learning_rate(OptimizationConfig.from_dict(mapping))
