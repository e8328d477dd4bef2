"""The heads share their kernels over the levels, begin with the prior, and the model names its parts."""

import numpy as np
import pytest
import tensorflow as tf
from assay.losses import RetinaNetLoss
from assay.reference_tasks.retinanet.anchors import AnchorGenerator
from assay.reference_tasks.retinanet.drawing import COLOURS, draw_boxes
from assay.reference_tasks.retinanet.labeler import AnchorLabeler
from assay.reference_tasks.retinanet.model import AttributeHead, build_retinanet
from assay.reference_tasks.vision.backbones import build_resnet
from assay.reference_tasks.vision.layers import LayerOptions

pytestmark = pytest.mark.flavour

ATTRIBUTES = (AttributeHead("depth", "regression", 1), AttributeHead("parts", "classification", 2))


def build(max_level=5, attributes=(), **options):
    options = LayerOptions(norm_momentum=0.9, **options)
    return build_retinanet(
        build_resnet(10, (32, 48, 3), filters=16, stem="imagenet", options=options),
        min_level=3,
        max_level=max_level,
        num_classes=5,
        anchors_per_location=2,
        decoder_filters=4,
        head_convs=2,
        head_filters=4,
        options=options,
        attributes=attributes,
    )


@pytest.fixture(scope="module")
def model():
    tf.keras.utils.set_random_seed(0)
    return build(attributes=ATTRIBUTES, l2_weight_decay=0.02)


def test_outputs_have_the_depths_of_their_heads(model):
    outputs = model(tf.zeros([1, 32, 48, 3]))

    shapes = tf.nest.map_structure(lambda x: tuple(x.shape[1:]), outputs)
    sides = {"3": (4, 6), "4": (2, 3), "5": (1, 2)}
    assert shapes == {
        "cls_outputs": {level: (*side, 10) for level, side in sides.items()},
        "box_outputs": {level: (*side, 8) for level, side in sides.items()},
        "attribute_outputs": {
            "depth": {level: (*side, 2) for level, side in sides.items()},
            "parts": {level: (*side, 4) for level, side in sides.items()},
        },
    }


def test_kernels_are_shared_by_the_levels_and_normalisations_are_not(model):
    head = model.get_layer("head")
    convolutions = [layer for layer in head.layers if isinstance(layer, tf.keras.layers.Conv2D)]
    norms = [layer for layer in head.layers if isinstance(layer, tf.keras.layers.BatchNormalization)]

    assert len(convolutions) == 4 * (2 + 1)
    assert len(norms) == 4 * 2 * 3


def test_probabilities_begin_near_the_prior(model):
    outputs = model(tf.random.stateless_normal([2, 32, 48, 3], [1, 2]), training=True)

    for logits in outputs["cls_outputs"].values():
        assert float(tf.reduce_mean(tf.sigmoid(logits))) == pytest.approx(0.01, rel=0.5)


def test_weight_decay_counts_shared_kernels_once(model):
    kernels = [variable.numpy() for variable in model.trainable_variables if len(variable.shape) == 4]

    np.testing.assert_allclose(
        sum(float(loss) for loss in model.losses), sum(0.01 * (kernel**2).sum() for kernel in kernels), rtol=1e-5
    )


def test_every_variable_receives_a_gradient_of_the_loss_with_attributes(model):
    anchors = AnchorGenerator(3, 5, num_scales=1, aspect_ratios=(0.5, 1.0), anchor_size=2.0, image_size=(32, 48))
    boxes = tf.constant([[2.0, 2.0, 18.0, 18.0], [0.0, 0.0, 32.0, 32.0]])
    labels = AnchorLabeler(anchors).label(
        boxes, tf.constant([1, 4]), attributes={"depth": tf.ones([2, 1]), "parts": tf.ones([2, 2])}
    )
    labels = tf.nest.map_structure(lambda x: x[tf.newaxis], labels)
    loss = RetinaNetLoss(num_classes=5, attributes={one.name: one.type for one in ATTRIBUTES})
    with tf.GradientTape() as tape:
        value = loss(labels, model(tf.random.stateless_normal([1, 32, 48, 3], [1, 2]), training=True))
    gradients = tape.gradient(value, model.trainable_variables)

    assert all(gradient is not None and np.isfinite(gradient).all() for gradient in gradients)


def test_levels_that_nothing_reads_are_not_part_of_the_model():
    model = build(max_level=3)

    assert list(model.backbone.output) == ["1", "2", "3"]
    assert not [variable.name for variable in model.variables if "stage2" in variable.name]


def test_parts_are_named_for_checkpoints(model):
    assert {name: part.name for name, part in model.checkpoint_items.items()} == {
        "backbone": "backbone", "decoder": "decoder", "head": "head"
    }  # fmt: skip
    assert len(model.variables) == sum(len(part.variables) for part in model.checkpoint_items.values())


def test_drawn_boxes_have_the_colour_of_their_class_and_stay_inside():
    image = np.zeros([20, 30, 1], np.uint8)
    drawn = draw_boxes(image, [[2, 3, 12, 13], [-5, 10, 90, 70]], [7, 12], scale=2)

    assert drawn.shape == (40, 60, 3)
    np.testing.assert_array_equal(drawn[24, 6:27], [COLOURS[7]] * 21)
    np.testing.assert_array_equal(drawn[30:, 20], [COLOURS[2]] * 10)
    np.testing.assert_array_equal(drawn[30:, 59], [COLOURS[2]] * 10)
    assert not image.any()
