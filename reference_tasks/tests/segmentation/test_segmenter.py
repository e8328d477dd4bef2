"""The parts of a segmenter: shapes, names, precision, what receives gradients, what compiles."""

import numpy as np
import pytest
import tensorflow as tf
from assay.core import ConfigError
from assay.reference_tasks.segmentation.model import build_segmenter
from assay.reference_tasks.segmentation.model.config import SegmentationModelConfig
from assay.reference_tasks.vision.decoders import build_aspp
from assay.reference_tasks.vision.layers import LayerOptions

pytestmark = pytest.mark.flavour

DEEPLAB = {
    "backbone": {"resnet": {"model_id": 10, "filters": 2, "stem": "strided", "output_stride": 4}},
    "decoder": {"type": "aspp", "aspp": {"level": 2, "dilation_rates": [2], "num_filters": 4}},
    "head": {"level": 2, "low_level": 1, "low_level_num_filters": 2, "num_convs": 1, "num_filters": 4},
}
PYRAMID = {
    "backbone": {"resnet": {"model_id": 10, "filters": 2, "stem": "strided"}},
    "decoder": {"type": "fpn", "fpn": {"min_level": 1, "max_level": 4, "num_filters": 4}},
    "head": {"level": 1, "num_convs": 0, "num_filters": 4, "feature_fusion": "panoptic_fpn_fusion"},
}
SUBPIXEL = PYRAMID | {"head": PYRAMID["head"] | {"subpixel_factor": 2}}
DEEPLABV3 = DEEPLAB | {"head": {"level": 2, "num_convs": 0, "feature_fusion": None}}
BACKBONE_ALONE = DEEPLABV3 | {"decoder": {"type": None}}
SKIPS = PYRAMID | {"decoder": {"type": None}, "head": DEEPLAB["head"] | {"skip_levels": [4, 2, 3]}}


def build(parts, *, sides=(32, 32), **changes):
    config = SegmentationModelConfig().replace(num_classes=3, input_size=[*sides, 3], **parts, **changes)
    config.validate()
    return build_segmenter(config, LayerOptions(norm_momentum=0.9))


@pytest.mark.parametrize(
    ("parts", "names"),
    [
        (DEEPLAB, ["backbone", "decoder", "head"]),
        (PYRAMID, ["backbone", "decoder", "head"]),
        (SUBPIXEL, ["backbone", "decoder", "head"]),
        (DEEPLABV3, ["backbone", "decoder", "head"]),
        (BACKBONE_ALONE, ["backbone", "head"]),
        (SKIPS, ["backbone", "head"]),
    ],
)
def test_logits_have_the_size_of_the_image_and_the_parts_their_names(parts, names):
    model = build(parts)
    outputs = model(tf.zeros([2, 32, 32, 3]), training=False)

    assert {name: (tuple(value.shape), value.dtype) for name, value in outputs.items()} == {
        "logits": ((2, 32, 32, 3), tf.float32)
    }
    assert sorted(model.checkpoint_items) == names
    variables = [id(each) for part in model.checkpoint_items.values() for each in part.variables]
    assert sorted(variables) == sorted(id(each) for each in model.variables)


@pytest.mark.parametrize("parts", [DEEPLAB, PYRAMID, SUBPIXEL, SKIPS])
def test_every_weight_receives_a_gradient(parts):
    model = build(parts)
    images = tf.random.stateless_normal([2, 32, 32, 3], [1, 2])
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(model(images, training=True)["logits"] ** 2)

    assert all(gradient is not None for gradient in tape.gradient(total, model.trainable_variables))


@pytest.mark.parametrize("factor", [1, 2])
def test_levels_that_skip_the_decoder_add_their_scores(factor):
    tf.keras.utils.set_random_seed(0)
    model = build(SKIPS | {"head": SKIPS["head"] | {"subpixel_factor": factor}})
    head = model.get_layer("head")
    rest = head.get_layer("logits")
    rest.set_weights([np.zeros_like(each) for each in rest.get_weights()])
    maps = {
        name: tf.random.stateless_normal([2, *tensor.shape[1:]], [3, number])
        for number, (name, tensor) in enumerate(head.input.items())
    }
    expected = 0.0
    for level in (2, 3, 4):
        kernel, bias = head.get_layer(f"scores{level}").get_weights()
        scores = np.einsum("bhwc,cd->bhwd", maps[f"skip{level}"], kernel[0, 0]) + bias
        for _ in range(level - 1):
            scores = tf.image.resize(scores, 2 * np.array(scores.shape[1:3])).numpy()
        expected = expected + scores

    expected = expected.repeat(factor, axis=1).repeat(factor, axis=2)

    assert sorted(maps) == ["high", "low", "skip2", "skip3", "skip4"]
    np.testing.assert_allclose(head(maps, training=False), expected, rtol=1e-4, atol=1e-5)


def test_level_that_the_backbone_lacks_cannot_skip_the_decoder():
    with pytest.raises(ConfigError, match=r"task\.model\.head\.skip_levels.*there is no level 7"):
        build(SKIPS | {"head": SKIPS["head"] | {"skip_levels": [3, 7]}})
    with pytest.raises(ConfigError, match=r"skip_levels.*must name a level once; received \[3, 3\]"):
        build(SKIPS | {"head": SKIPS["head"] | {"skip_levels": [3, 3]}})


def test_sizes_may_vary_where_the_configuration_leaves_them_open():
    model = build(DEEPLAB, sides=(None, None))

    assert model(tf.zeros([1, 33, 47, 3]))["logits"].shape == [1, 33, 47, 3]


def test_mask_scores_teach_the_logits_nothing():
    scoring = {"num_convs": 1, "num_filters": 2, "fc_input_size": [2, 2], "num_fcs": 1, "fc_dims": 4}
    model = build(DEEPLAB, mask_scoring_head=scoring)
    with tf.GradientTape() as tape:
        scores = model(tf.random.stateless_normal([2, 32, 32, 3], [1, 2]), training=True)["mask_scores"]
        total = tf.reduce_sum(scores)
    learning = {
        id(each)
        for each, gradient in zip(
            model.trainable_variables, tape.gradient(total, model.trainable_variables), strict=True
        )
        if gradient is not None
    }

    assert scores.shape == [2, 3]
    assert learning == {id(each) for each in model.checkpoint_items["mask_scoring_head"].trainable_variables}


def test_compiled_model_agrees():
    tf.keras.utils.set_random_seed(0)
    model = build(DEEPLAB)
    images = tf.random.stateless_normal([2, 32, 32, 3], [1, 2])
    compiled = tf.function(lambda x: model(x, training=False)["logits"], jit_compile=True)

    np.testing.assert_allclose(compiled(images), model(images, training=False)["logits"], rtol=1e-4, atol=1e-5)


def test_logits_are_float32_in_mixed_precision():
    tf.keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        model = build(DEEPLAB)
        outputs = model(tf.zeros([2, 32, 32, 3]), training=False)
    finally:
        tf.keras.mixed_precision.set_global_policy("float32")

    assert outputs["logits"].dtype == tf.float32
    assert model.backbone.get_layer("stem_conv").compute_dtype == "bfloat16"


def test_pyramid_pooling_sees_the_whole_map_or_parts_of_it():
    features = tf.keras.Input([8, 8, 2])

    def pooled(pool_size):
        tf.keras.utils.set_random_seed(0)
        options = LayerOptions()
        model = tf.keras.Model(
            features, build_aspp(features, filters=2, dilation_rates=[], pool_size=pool_size, options=options)
        )
        resized = model.get_layer("aspp_pool_resize")
        model.get_layer("aspp_pool_conv").set_weights([np.ones([1, 1, 2, 2], np.float32)])  # no unit is dead
        return tf.keras.Model(features, resized.output)

    # One corner differs: means of quarters differ there, and nowhere far from it; the mean of all differs everywhere.
    image = np.zeros([1, 8, 8, 2], np.float32)
    image[:, 0, 0] = 100.0
    whole, quarters = (pooled(size)(image).numpy()[0] for size in (None, (4, 4)))

    assert np.ptp(whole, axis=(0, 1)).max() == 0
    assert np.ptp(quarters, axis=(0, 1)).max() > 0
    np.testing.assert_array_equal(quarters[-1, -1], pooled((4, 4))(image * 0).numpy()[0, -1, -1])
