"""Comparable runs switch random layers off, measure rounding, and find randomness that nobody declared."""

import numpy as np
import pytest
import tensorflow as tf
from assay.conformance.context import Context
from assay.conformance.harness import recording_variables
from assay.conformance.harness.tasks import (
    comparable,
    comparable_run,
    differing,
    differing_beyond_rounding,
    draws_random_numbers,
    keeps_batch_statistics,
    random_layers,
    rounding_noise,
    scale_of_parts,
    silence_random_layers,
    train_in_loop,
    train_run,
)
from assay.conformance.harness.tasks.build import build_task
from assay.conformance.model import Mode, Subject
from assay.conformance.session import Session
from assay.conformance.specimens import SoundTask
from assay.conformance.tolerances import Tolerance

from conformance.tests.subjects.tasks.runs import DeepAndNormalised, UndeclaredNoise

pytestmark = pytest.mark.flavour

LOOSE = Tolerance(0.1, 0.0, "a test")


def context(factory, mode=Mode.EAGER):
    return Context(rule_id="T501", session=Session(Subject(factory)), mode=mode)


def random_model():
    layers = tf.keras.layers
    inputs = tf.keras.Input((4, 3))
    x = layers.GaussianNoise(0.3, name="noise")(inputs)
    x = layers.LSTM(3, dropout=0.2, recurrent_dropout=0.1, name="lstm", return_sequences=True)(x)
    x = layers.MultiHeadAttention(1, 2, dropout=0.4)(x, x)
    x = tf.keras.Sequential([layers.Dropout(0.5, name="inner"), layers.Dense(2)])(x)
    return tf.keras.Model(inputs, layers.SpatialDropout1D(0.2)(x))


def test_random_layers_are_found_at_any_depth():
    found = " ".join(random_layers(random_model()))

    for name in ("noise (GaussianNoise)", "lstm", "inner (Dropout)", "SpatialDropout1D"):
        assert name in found


def test_silenced_model_answers_alike_in_training():
    model = random_model()
    x = tf.random.normal((2, 4, 3), seed=1)
    before = [model(x, training=True).numpy() for _ in range(2)]

    silence_random_layers(model)

    after = [model(x, training=True).numpy() for _ in range(2)]
    assert not np.allclose(*before)
    np.testing.assert_array_equal(*after)
    np.testing.assert_allclose(after[0], model(x, training=False).numpy(), rtol=1e-5, atol=1e-6)
    assert random_layers(model) == []


def test_comparable_run_is_the_shared_run_without_random_layers():
    ctx = context(SoundTask)

    assert comparable_run(ctx) is train_run(ctx)


def test_comparable_runs_with_dropout_agree_between_modes():
    ctx = context(lambda: SoundTask(dropout=0.5))

    eager, graph = comparable_run(ctx), comparable_run(ctx, mode=Mode.GRAPH)

    for name, value in eager.snapshots[-1].weights.items():
        np.testing.assert_allclose(graph.snapshots[-1].weights[name], value, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("factory", "random"), [(SoundTask, False), (UndeclaredNoise, True)])
def test_randomness_outside_of_layers_is_found(factory, random):
    assert draws_random_numbers(context(factory)) is random


@pytest.mark.parametrize(("batch_norm", "kept"), [(False, False), (True, True)])
def test_statistics_are_found_in_what_moves_without_a_gradient(batch_norm, kept):
    ctx = context(lambda: SoundTask(batch_norm=batch_norm))

    assert keeps_batch_statistics(train_run(ctx)) is kept


def test_rounding_noise_grows_with_the_depth_of_the_model():
    shallow, deep = (max(rounding_noise(context(task))[1].values()) for task in (SoundTask, DeepAndNormalised))

    assert shallow < 1e-6
    assert deep > 10 * shallow


def test_what_rounding_does_is_measured_again_while_values_differ(monkeypatch):
    probes = []

    def noise(ctx, *, probe):
        probes.append(probe)
        return [{}, {"w": 0.1 if probe == 1 else 0.0, "v": 0.1 if probe == 2 else 0.0}]

    monkeypatch.setattr(comparable, "rounding_noise", noise)
    start = {"w": np.zeros(1), "v": np.zeros(1)}

    def difference(w, v):
        probes.clear()
        actual = {"w": np.array([1.0 + w]), "v": np.array([1.0 + v])}
        expected = {"w": np.ones(1), "v": np.ones(1)}
        return differing_beyond_rounding(context(SoundTask), actual, expected, start, step=1), list(probes)

    assert difference(0.0, 0.0) == ([], [])
    assert difference(0.05, 0.0) == ([], [0, 1])
    assert difference(0.05, 0.05) == ([], [0, 1, 2])
    assert difference(0.05, 0.5) == (["v"], [0, 1, 2, 3])


def test_probes_of_rounding_differ():
    ctx = context(DeepAndNormalised)

    first, second = (rounding_noise(ctx, probe=probe)[1] for probe in range(2))

    assert first != second


def test_difference_is_relative_to_the_movement_of_the_array():
    start = {"w": np.array([100.0, 0.0])}
    expected = {"w": np.array([101.0, 0.0])}

    assert differing({"w": np.array([101.0, 0.09])}, expected, start, tolerance=LOOSE) == []
    assert differing({"w": np.array([101.2, 0.0])}, expected, start, tolerance=LOOSE) == ["w"]
    assert differing({"w": np.array([101.2, 0.0])}, expected, start, tolerance=LOOSE, noise={"w": 0.2}) == []


def test_nothing_is_near_a_value_that_is_not_finite():
    start, broken = {"w": np.zeros(2)}, {"w": np.array([np.nan, 1.0])}

    assert differing(broken, {"w": np.ones(2)}, start, tolerance=LOOSE) == ["w"]
    assert differing({"w": np.ones(2)}, broken, start, tolerance=LOOSE) == ["w"]
    assert differing(broken, broken, start, tolerance=LOOSE) == []


@pytest.mark.parametrize(("factor", "scale"), [(0.9, 1), (1.2, 1), (1.9, 2), (2.2, 2)])
def test_scale_of_parts_is_read_where_the_two_point_the_same_way(factor, scale):
    parts = {"clear": np.array([1.0, 2.0, 3.0]), "blurred": np.array([1.0, 0.0, 0.0])}
    whole = {"clear": factor * parts["clear"], "blurred": np.array([0.1, 5.0, 5.0])}

    assert scale_of_parts(whole, parts, 2) == scale


def test_a_loop_is_the_steps_that_it_takes():
    ctx = context(SoundTask, Mode.GRAPH)
    run = train_run(ctx)

    loop = train_in_loop(build_task(ctx), run.batches)

    assert loop.optimizer.keys() == run.snapshots[-1].optimizer.keys()
    for name, value in run.snapshots[-1].model.items():
        np.testing.assert_allclose(loop.model[name], value, rtol=1e-5, atol=1e-6)
    for name, value in run.snapshots[-1].train_metrics.items():
        np.testing.assert_allclose(loop.train_metrics[name], value, rtol=1e-6)


def test_recorded_variables_have_a_name_a_shape_and_a_place():
    with recording_variables() as made:
        tf.Variable([1.0, 2.0], name="mine")
        tf.keras.layers.Dense(2).build((None, 3))

    assert made[0].startswith("mine of shape [2] at test_comparable.py:")
    assert any("kernel of shape [3, 2] at test_comparable.py:" in one for one in made[1:])
