"""Feature pyramids have every level at the same depth, carry coarse levels down, and compile, in both flavours."""

import numpy as np
import pytest
import tensorflow as tf
from assay.reference_tasks.vision.decoders import build_fpn
from assay.reference_tasks.vision.layers import LayerOptions

pytestmark = pytest.mark.flavour

CHANNELS = {"2": 3, "3": 5, "4": 6}


def pyramid(side=32, *, min_level=2, max_level=6, filters=4, options=None):
    """A model from maps at levels 2 to 4 of an image to a pyramid."""
    inputs = {
        level: tf.keras.Input([-(-side // 2 ** int(level)), -(-side // 2 ** int(level)), channels], name=level)
        for level, channels in CHANNELS.items()
    }
    outputs = build_fpn(
        inputs, min_level=min_level, max_level=max_level, filters=filters, options=options or LayerOptions()
    )
    return tf.keras.Model(inputs, outputs)


def maps(model, batch=2):
    """Random inputs of the model."""
    return {
        level: tf.random.stateless_normal([batch, *model.get_layer(level).output.shape[1:]], [3, int(level)])
        for level in CHANNELS
    }


@pytest.mark.parametrize("side", [32, 36, 20])
def test_levels_have_one_depth_and_half_the_size_each(side):
    outputs = pyramid(side).output

    assert {level: tuple(x.shape[1:]) for level, x in outputs.items()} == {
        str(level): (-(-side // 2**level), -(-side // 2**level), 4) for level in range(2, 7)
    }


def test_pyramid_may_begin_above_and_end_below_the_levels_of_the_backbone():
    assert list(pyramid(min_level=3, max_level=4).output) == ["3", "4"]
    assert list(pyramid(min_level=2, max_level=3).output) == ["2", "3"]


def test_merged_maps_are_the_laterals_plus_the_coarser_level_repeated():
    model = pyramid(20, max_level=4)
    inputs = maps(model)
    inner = tf.keras.Model(model.input, [model.get_layer(f"fpn_{level}_add").output for level in (3, 2)])
    merged = inner(inputs)

    def lateral(level):
        kernel, bias = (np.asarray(weight) for weight in model.get_layer(f"fpn_{level}_lateral_conv").get_weights())
        return inputs[str(level)].numpy() @ kernel[0, 0] + bias

    three = lateral(3) + lateral(4).repeat(2, axis=1).repeat(2, axis=2)[:, :3, :3]
    two = lateral(2) + three.repeat(2, axis=1).repeat(2, axis=2)[:, :5, :5]
    np.testing.assert_allclose(merged[0], three, atol=1e-5)
    np.testing.assert_allclose(merged[1], two, atol=1e-5)


def test_every_variable_receives_a_gradient():
    model = pyramid()
    inputs = maps(model)
    with tf.GradientTape() as tape:
        outputs = model(inputs, training=True)
        loss = tf.add_n([tf.reduce_sum(tf.abs(x - 1.0) ** 3) for x in outputs.values()])

    assert all(gradient is not None for gradient in tape.gradient(loss, model.trainable_variables))


def test_weight_decay_covers_every_kernel():
    model = pyramid(options=LayerOptions(l2_weight_decay=0.02))
    kernels = [variable.numpy() for variable in model.trainable_variables if len(variable.shape) == 4]

    assert len(kernels) == 3 + 3 + 2
    np.testing.assert_allclose(
        sum(float(loss) for loss in model.losses), sum(0.01 * (kernel**2).sum() for kernel in kernels), rtol=1e-5
    )


def test_pyramid_compiles_and_agrees():
    model = pyramid(20)
    inputs = maps(model)
    compiled = tf.function(lambda x: model(x, training=False), jit_compile=True)(inputs)

    for level, expected in model(inputs, training=False).items():
        np.testing.assert_allclose(compiled[level], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("levels", "message"),
    [
        ((1, 4), r"needs the levels 1 to 4 .* it has \['2', '3', '4'\]"),
        ((5, 6), "needs the levels 5"),
        ((4, 3), "at most"),
    ],
)
def test_levels_that_cannot_be_had_are_refused(levels, message):
    with pytest.raises(ValueError, match=message):
        pyramid(min_level=levels[0], max_level=levels[1])
