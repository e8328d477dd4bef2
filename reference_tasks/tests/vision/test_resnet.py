"""Residual networks have the published sizes, start as the identity, and compile, in both Keras flavours."""

import numpy as np
import pytest
import tensorflow as tf
from assay.reference_tasks.classification.model import build_classifier
from assay.reference_tasks.vision.backbones import build_resnet
from assay.reference_tasks.vision.layers import LayerOptions

pytestmark = pytest.mark.flavour


def trainable_parameters(model_id, channels, classes, *, filters=64, kernel=7):
    """Count from the architecture: convolutions without bias, scale and offset after each, the head."""
    blocks = {10: [1, 1, 1, 1], 18: [2, 2, 2, 2], 34: [3, 4, 6, 3], 50: [3, 4, 6, 3], 101: [3, 4, 23, 3]}[model_id]
    expansion = 4 if model_id >= 50 else 1

    def convolution(size, inputs, outputs):
        return size * size * inputs * outputs + 2 * outputs

    count, inputs = convolution(kernel, channels, filters), filters
    for stage, repeats in enumerate(blocks):
        inner, outputs = filters * 2**stage, filters * 2**stage * expansion
        for block in range(repeats):
            if expansion == 4:
                count += convolution(1, inputs, inner) + convolution(3, inner, inner) + convolution(1, inner, outputs)
            else:
                count += convolution(3, inputs, inner) + convolution(3, inner, inner)
            if inputs != outputs or (block == 0 and stage > 0):
                count += convolution(1, inputs, outputs)
            inputs = outputs
    return count + inputs * classes + classes


def size(model):
    return sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)


@pytest.mark.parametrize("model_id", [18, 50])
def test_imagenet_models_have_the_published_size(model_id):
    published = {18: 11_689_512, 50: 25_557_032}[model_id]  # of torchvision, which has the same architectures
    model = build_classifier(build_resnet(model_id, (224, 224, 3)), 1000)

    assert size(model) == trainable_parameters(model_id, 3, 1000) == published
    assert model.output_shape == (None, 1000)


@pytest.mark.parametrize("model_id", [10, 34, 101])
def test_narrow_models_have_the_size_of_their_architecture(model_id):
    model = build_classifier(build_resnet(model_id, (8, 8, 1), filters=2), 10)

    assert size(model) == trainable_parameters(model_id, 1, 10, filters=2, kernel=3)


@pytest.mark.parametrize(
    ("side", "levels"),
    [
        (8, {"0": 8, "1": 4, "2": 2, "3": 1}),
        (32, {"0": 32, "1": 16, "2": 8, "3": 4}),
        (65, {"1": 33, "2": 17, "3": 9, "4": 5, "5": 3}),
        (224, {"1": 112, "2": 56, "3": 28, "4": 14, "5": 7}),
    ],
)
def test_stages_shrink_by_level(side, levels):
    outputs = build_resnet(10, (side, side, 3), filters=2).output

    assert {level: feature.shape[1] for level, feature in outputs.items()} == levels
    assert [feature.shape[-1] for feature in outputs.values()] == [2, 2, 4, 8, 16][-len(levels) :]


def test_stem_can_be_chosen():
    assert list(build_resnet(10, (8, 8, 1), filters=2, stem="imagenet").output) == ["1", "2", "3", "4", "5"]
    assert list(build_resnet(10, (96, 96, 1), filters=2, stem="small").output) == ["0", "1", "2", "3"]


def test_blocks_without_projection_begin_as_the_identity():
    tf.keras.utils.set_random_seed(0)
    model = build_resnet(18, (8, 8, 1), filters=4)
    inner = tf.keras.Model(
        model.input, [model.get_layer("stage0_block0_out").output, model.get_layer("stage0_block1_out").output]
    )
    before, after = inner(tf.random.stateless_normal([2, 8, 8, 1], [1, 2]), training=True)

    np.testing.assert_array_equal(before, after)
    assert np.abs(before).max() > 0.1


def test_bottleneck_has_its_stride_in_the_middle():
    model = build_resnet(50, (8, 8, 1), filters=2)

    strides = {name: model.get_layer(f"stage1_block0_{name}").strides for name in ("a_conv", "b_conv", "c_conv")}
    assert strides == {"a_conv": (1, 1), "b_conv": (2, 2), "c_conv": (1, 1)}


def test_shortcut_takes_every_second_pixel_before_its_convolution():
    model = build_resnet(10, (9, 7, 1), filters=2)
    layer = model.get_layer("stage1_block0_shortcut_conv")
    read = tf.keras.Model(model.input, [model.get_layer("stage0_block0_out").output, layer.output])

    before, after = read(tf.random.stateless_normal([2, 9, 7, 1], [1, 2]))

    assert layer.strides == (1, 1)
    expected = np.einsum("bhwi,io->bhwo", before[:, ::2, ::2], layer.get_weights()[0][0, 0])
    np.testing.assert_allclose(after, expected, rtol=1e-5, atol=1e-6)


def test_weight_decay_is_half_the_sum_of_squared_kernels():
    options = LayerOptions(l2_weight_decay=0.01)
    model = build_classifier(
        build_resnet(10, (8, 8, 1), filters=2, options=options), 3, kernel_regularizer=options.regularizer()
    )
    kernels = [variable for variable in model.trainable_variables if len(variable.shape) in (2, 4)]
    expected = sum(0.005 * np.sum(np.asarray(kernel.numpy(), np.float64) ** 2) for kernel in kernels)

    assert len(model.losses) == len(kernels) == 13
    np.testing.assert_allclose(sum(float(loss) for loss in model.losses), expected, rtol=1e-5)


def test_norm_options_reach_every_normalisation():
    options = LayerOptions(norm_momentum=0.7, norm_epsilon=0.02, activation="swish")
    model = build_resnet(10, (8, 8, 1), filters=2, options=options)
    norms = [layer for layer in model.layers if isinstance(layer, tf.keras.layers.BatchNormalization)]
    activations = [layer for layer in model.layers if isinstance(layer, tf.keras.layers.Activation)]

    assert len(norms) == 12
    assert {(norm.momentum, norm.epsilon) for norm in norms} == {(0.7, 0.02)}
    assert {layer.activation.__name__ for layer in activations} <= {"swish", "silu"}


def test_dropout_is_active_in_training_only():
    tf.keras.utils.set_random_seed(0)
    model = build_classifier(build_resnet(10, (8, 8, 1), filters=4), 3, dropout_rate=0.5)
    images = tf.random.stateless_normal([4, 8, 8, 1], [1, 2])

    np.testing.assert_array_equal(model(images, training=False), model(images, training=False))
    assert not np.array_equal(model(images, training=True), model(images, training=True))


def test_models_compile_and_agree():
    tf.keras.utils.set_random_seed(0)
    model = build_classifier(build_resnet(10, (8, 8, 1), filters=2), 3)
    images = tf.random.stateless_normal([4, 8, 8, 1], [1, 2])
    compiled = tf.function(lambda x: model(x, training=False), jit_compile=True)

    np.testing.assert_allclose(compiled(images), model(images, training=False), rtol=1e-4, atol=1e-5)


def test_logits_are_float32_in_mixed_precision():
    tf.keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        model = build_classifier(build_resnet(10, (8, 8, 1), filters=2), 3)
        outputs = model(tf.zeros([2, 8, 8, 1]), training=False)
    finally:
        tf.keras.mixed_precision.set_global_policy("float32")

    assert outputs.dtype == tf.float32
    assert model.backbone.get_layer("stem_conv").compute_dtype == "bfloat16"


def test_backbone_is_named_for_checkpoints():
    backbone = build_resnet(10, (8, 8, 1), filters=2)
    model = build_classifier(backbone, 3)

    assert model.checkpoint_items == {"backbone": backbone}


def test_statistics_over_all_replicas_when_synchronised():
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"], tf.distribute.ReductionToOneDevice())
    with strategy.scope():
        model = build_resnet(10, (8, 8, 1), filters=2, options=LayerOptions(norm_momentum=0.0, use_sync_bn=True))
    # The halves differ much, so that a variance within them is not one over both.
    images = tf.random.stateless_normal([4, 8, 8, 1], [1, 2]) + tf.reshape([0.0, 0.0, 5.0, 5.0], [4, 1, 1, 1])
    values = strategy.experimental_distribute_values_from_function(
        lambda context: images[:2] if context.replica_id_in_sync_group == 0 else images[2:]
    )
    strategy.run(tf.function(lambda x: model(x, training=True)["0"]), args=(values,))
    convolved = tf.keras.Model(model.input, model.get_layer("stem_conv").output)(images)

    variance = model.get_layer("stem_norm").moving_variance
    np.testing.assert_allclose(variance.numpy(), np.var(convolved, axis=(0, 1, 2)), rtol=0.01)


@pytest.mark.parametrize(
    ("model_id", "stem", "message"), [(11, "auto", "`model_id` must be one of 10"), (10, "big", "`stem` must be")]
)
def test_unknown_network_is_refused(model_id, stem, message):
    with pytest.raises(ValueError, match=message):
        build_resnet(model_id, (8, 8, 1), stem=stem)
