"""Feature maps are enlarged in every precision and of any size, and compile for training."""

import numpy as np
import pytest
import tensorflow as tf
from assay.reference_tasks.vision.resizing import DepthToSpace, ResizeLike, TwiceAsLarge

pytestmark = pytest.mark.flavour


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_each_position_is_repeated_twice(dtype):
    maps = np.arange(2 * 3 * 2 * 5).reshape([2, 3, 2, 5])

    enlarged = TwiceAsLarge(dtype=dtype)(tf.constant(maps, dtype))

    assert enlarged.dtype == dtype
    np.testing.assert_array_equal(tf.cast(enlarged, tf.int32), maps.repeat(2, axis=1).repeat(2, axis=2))


def test_the_gradient_adds_up_what_a_position_was_repeated_to_and_compiles():
    layer, weights = TwiceAsLarge(), np.random.default_rng(0).normal(size=[2, 6, 4, 5]).astype(np.float32)

    @tf.function(jit_compile=True)
    def gradient(maps):
        with tf.GradientTape() as tape:
            tape.watch(maps)
            total = tf.reduce_sum(layer(maps) * weights)
        return tape.gradient(total, maps)

    found = gradient(tf.zeros([2, 3, 2, 5]))

    np.testing.assert_allclose(found, weights.reshape([2, 3, 2, 2, 2, 5]).sum(axis=(2, 4)), rtol=1e-5, atol=1e-6)


def test_channels_of_a_position_are_laid_out_row_by_row():
    maps = np.arange(2 * 3 * 2 * 12).reshape([2, 3, 2, 12])
    layer = DepthToSpace.from_config(DepthToSpace(2, dtype="float32").get_config())

    laid_out = layer(tf.constant(maps, tf.float32)).numpy()

    for row in range(2):
        for column in range(2):
            first = 3 * (2 * row + column)
            np.testing.assert_array_equal(laid_out[:, row::2, column::2], maps[..., first : first + 3])
    assert tuple(layer(tf.keras.Input([None, 5, 12])).shape) == (None, None, 10, 3)


@pytest.mark.parametrize("side", [None, 3])
def test_unknown_sides_stay_unknown(side):
    inputs = tf.keras.Input([side, side, 4])
    twice = side and 2 * side

    assert tuple(TwiceAsLarge()(inputs).shape) == (None, twice, twice, 4)


@pytest.mark.parametrize("side", [1, 2])
def test_a_low_precision_map_is_resized_in_float32_and_gets_its_gradient_back(side):
    layer, like = ResizeLike(dtype="bfloat16"), tf.zeros([2, 4, 4, 1])

    @tf.function(jit_compile=True)
    def gradient(maps):
        with tf.GradientTape() as tape:
            tape.watch(maps)
            resized = layer((maps, like))
        return resized, tape.gradient(resized, maps)

    maps = tf.ones([2, side, side, 3], tf.bfloat16)
    resized, found = gradient(maps)
    program = gradient.experimental_get_compiler_ir(maps)(stage="hlo")

    assert resized.dtype == found.dtype == tf.bfloat16
    np.testing.assert_allclose(tf.cast(found, tf.float32), 16 / side**2)
    assert "f32[2,4,4,3]" in program
