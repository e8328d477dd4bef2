"""Optimizers made from configuration, under both Keras flavours."""

import os

import numpy as np
import pytest
import tensorflow as tf
from assay.core.config import ConfigError, OptimizationConfig, RuntimeConfig
from assay.core.optimization import available_optimizers, build_optimizer
from assay.core.precision import current_loss_scale, innermost_optimizer

pytestmark = pytest.mark.flavour

LEGACY = os.environ.get("TF_USE_LEGACY_KERAS") in ("1", "true", "True")


def optimizer_of(kind, runtime=None, learning_rate=0.1, **options):
    config = OptimizationConfig.from_dict(
        {
            "optimizer": {"type": kind, kind: options},
            "learning_rate": {"type": "constant", "constant": {"learning_rate": learning_rate}},
        }
    )
    return build_optimizer(config, runtime)


def step(optimizer, gradient=2.0, value=1.0):
    """One step on a weight and a bias; returns how far each moved."""
    layer = tf.keras.layers.Dense(1, kernel_initializer="ones", bias_initializer="ones")
    layer.build((None, 1))
    optimizer.build(layer.trainable_variables)
    shapes = [variable.shape for variable in layer.trainable_variables]
    optimizer.apply_gradients(
        [
            (tf.fill(shape, gradient), variable)
            for shape, variable in zip(shapes, layer.trainable_variables, strict=True)
        ]
    )
    kernel, bias = (np.ravel(weight)[0] for weight in layer.get_weights())
    return value - kernel, value - bias


def test_sgd_moves_against_the_gradient():
    np.testing.assert_allclose(step(optimizer_of("sgd")), [0.2, 0.2], rtol=1e-5)


def test_adam_moves_by_the_learning_rate_at_first():
    np.testing.assert_allclose(step(optimizer_of("adam")), [0.1, 0.1], rtol=1e-4)


def test_adamw_decays_what_is_not_excluded():
    optimizer = optimizer_of("adamw", weight_decay=0.5, exclude_from_weight_decay=["bias"])

    # Adam's first step is the learning rate; the decay takes learning_rate x weight_decay x weight besides.
    np.testing.assert_allclose(step(optimizer), [0.1 + 0.1 * 0.5, 0.1], rtol=1e-4)


@pytest.mark.parametrize("kind", ["sgd", "rmsprop", "adam", "adamw", "lion", "adagrad", "adafactor"])
def test_every_optimizer_of_both_flavours_lowers_a_weight_with_positive_gradient(kind):
    assert min(step(optimizer_of(kind))) > 0


def test_lamb_exists_in_keras_3_only():
    if LEGACY:
        with pytest.raises(ConfigError, match=r"'lamb' does not exist in Keras .* Optimizers here: sgd, rmsprop, adam"):
            optimizer_of("lamb")
        assert "lamb" not in available_optimizers()
    else:
        assert min(step(optimizer_of("lamb"))) > 0


@pytest.mark.parametrize(
    ("options", "moved"),
    [
        ({"clipvalue": 0.5}, 0.1 * 0.5),
        ({"clipnorm": 0.5}, 0.1 * 0.5),
        ({"global_clipnorm": 0.5}, 0.1 * 0.5 / np.sqrt(2)),  # two gradients share the norm
    ],
)
def test_gradients_are_clipped(options, moved):
    np.testing.assert_allclose(step(optimizer_of("sgd", **options)), [moved, moved], rtol=1e-5)


def test_two_ways_of_clipping_are_refused():
    with pytest.raises(ConfigError, match=r"optimizer.sgd: at most one of clipnorm, clipvalue and global_clipnorm"):
        optimizer_of("sgd", clipnorm=1.0, clipvalue=1.0)


def test_options_reach_keras():
    optimizer = optimizer_of("adam", name="mine", beta_1=0.8, epsilon=1e-3, amsgrad=True)

    config = optimizer.get_config()
    assert optimizer.name == "mine"
    assert {name: config[name] for name in ("beta_1", "epsilon", "amsgrad")} == {
        "beta_1": 0.8,
        "epsilon": 1e-3,
        "amsgrad": True,
    }


def test_missing_optimizer_names_the_choices():
    config = OptimizationConfig.from_dict({"learning_rate": {"type": "constant"}})

    with pytest.raises(ConfigError, match=r"optimizer.type` must be set, to one of: sgd"):
        build_optimizer(config)


@pytest.mark.parametrize(("loss_scale", "initial"), [(None, 2.0**15), ("dynamic", 2.0**15), (128.0, 128.0)])
def test_float16_brings_a_loss_scale(loss_scale, initial):
    runtime = RuntimeConfig(mixed_precision_dtype="float16", loss_scale=loss_scale)

    optimizer = optimizer_of("sgd", runtime)

    np.testing.assert_array_equal(current_loss_scale(optimizer), initial)
    assert isinstance(innermost_optimizer(optimizer), tf.keras.optimizers.SGD)


@pytest.mark.parametrize("dtype", [None, "float32", "bfloat16"])
def test_other_dtypes_bring_none(dtype):
    assert current_loss_scale(optimizer_of("sgd", RuntimeConfig(mixed_precision_dtype=dtype))) == 1.0


def test_averaging_never_overwrites_the_weights_by_itself():
    config = OptimizationConfig.from_dict(
        {"optimizer": {"type": "rmsprop"}, "learning_rate": {"type": "constant"}, "ema": {"average_decay": 0.9}}
    )

    options = build_optimizer(config).get_config()

    assert options["use_ema"] is True
    assert options["ema_momentum"] == 0.9
    assert options["ema_overwrite_frequency"] is None
