"""Averaged weights, swapped in for an evaluation and out again."""

import os

import numpy as np
import pytest
import tensorflow as tf
from assay.core.config import OptimizationConfig, RuntimeConfig
from assay.core.optimization import averages_weights, build_optimizer, swapped_in
from assay.core.precision import apply_scaled_gradients, scale_loss

pytestmark = pytest.mark.flavour

LEGACY = os.environ.get("TF_USE_LEGACY_KERAS") in ("1", "true", "True")
DECAY = 0.75
STEPS = 5
OPTIONS = {
    "optimizer": {"type": "sgd", "sgd": {"momentum": 0.9}},
    "learning_rate": {"type": "constant", "constant": {"learning_rate": 0.1}},
    "ema": {"average_decay": DECAY},
}


def strategies():
    return {
        "one": tf.distribute.OneDeviceStrategy("CPU:0"),
        "two": tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"], tf.distribute.ReductionToOneDevice()),
    }


def copies(strategy, variable):
    """The values of a variable on each replica."""
    variable = variable if isinstance(variable, tf.Variable) else variable.value
    return np.stack([copy.numpy() for copy in strategy.experimental_local_results(variable)])


def trained(strategy, runtime=None, options=OPTIONS, steps=STEPS):
    """A model after some steps, its optimizer, and its kernel after each step."""
    with strategy.scope():
        model = tf.keras.Sequential([tf.keras.layers.Dense(1, kernel_initializer="ones")])
        model.build((None, 2))
        optimizer = build_optimizer(OptimizationConfig.from_dict(options), runtime)
        optimizer.build(model.trainable_variables)

    @tf.function
    def run(features):
        def step(features):
            with tf.GradientTape() as tape:
                loss = scale_loss(optimizer, tf.reduce_mean(model(features, training=True) ** 2))
            gradients = tape.gradient(loss, model.trainable_variables)
            apply_scaled_gradients(optimizer, gradients, model.trainable_variables)

        strategy.run(step, args=(features,))

    history = [model.get_weights()[0]]
    for index in range(steps):
        run(
            strategy.experimental_distribute_values_from_function(
                lambda context, index=index: tf.constant([[1.0, 0.1 * index + context.replica_id_in_sync_group]])
            )
        )
        history.append(model.get_weights()[0])
    return model, optimizer, history


def average(history):
    """The average in float64: Keras 3 begins with the weights after the first step, tf_keras with those before it."""
    value, rest = (history[0], history[1:]) if LEGACY else (history[1], history[2:])
    for weights in rest:
        value = DECAY * np.asarray(value, np.float64) + (1 - DECAY) * weights
    return value


@pytest.mark.parametrize("runtime", [None, RuntimeConfig(mixed_precision_dtype="float16")], ids=["plain", "scaled"])
@pytest.mark.parametrize("replicas", ["one", "two"])
def test_average_is_in_force_inside_and_trained_weights_are_back_after(replicas, runtime):
    strategy = strategies()[replicas]
    model, optimizer, history = trained(strategy, runtime)
    before = [copies(strategy, variable) for variable in model.trainable_variables]

    with swapped_in(optimizer, model):
        inside = copies(strategy, model.trainable_variables[0])

    np.testing.assert_allclose(inside, np.broadcast_to(average(history), inside.shape), rtol=1e-5)
    assert np.abs(inside - before[0]).max() > 1e-3
    for variable, value in zip(model.trainable_variables, before, strict=True):
        np.testing.assert_array_equal(copies(strategy, variable), value)


def test_training_goes_on_as_if_nothing_had_been_swapped():
    strategy = strategies()["one"]

    def history(swap):
        model, optimizer, _ = trained(strategy)
        if swap:
            with swapped_in(optimizer, model):
                pass
        for variable in model.trainable_variables:
            optimizer.apply_gradients([(tf.ones(variable.shape), variable)])
        with swapped_in(optimizer, model):
            return model.get_weights()

    for with_swap, without in zip(history(True), history(False), strict=True):
        np.testing.assert_array_equal(with_swap, without)


def test_trained_weights_are_back_after_an_error():
    model, optimizer, history = trained(strategies()["one"])

    with pytest.raises(RuntimeError, match="evaluation failed"), swapped_in(optimizer, model):
        raise RuntimeError("evaluation failed")

    np.testing.assert_array_equal(model.get_weights()[0], history[-1])


def test_untrained_weights_are_their_own_average():
    model, optimizer, history = trained(strategies()["one"], steps=0)

    with swapped_in(optimizer, model):
        np.testing.assert_array_equal(model.get_weights()[0], history[0])


def test_without_averaging_nothing_is_swapped():
    options = {**OPTIONS, "ema": None}
    model, optimizer, history = trained(strategies()["one"], options=options)

    with swapped_in(optimizer, model):
        np.testing.assert_array_equal(model.get_weights()[0], history[-1])

    assert not averages_weights(optimizer)
    assert not averages_weights(None)


def test_moving_statistics_stay():
    layer = tf.keras.layers.BatchNormalization()
    model = tf.keras.Sequential([layer])
    model.build((None, 2))
    optimizer = build_optimizer(OptimizationConfig.from_dict(OPTIONS))
    optimizer.build(model.trainable_variables)
    layer.moving_mean.assign([3.0, 4.0])
    optimizer.apply_gradients([(tf.ones(variable.shape), variable) for variable in model.trainable_variables])

    with swapped_in(optimizer, model):
        np.testing.assert_array_equal(layer.moving_mean, [3.0, 4.0])
