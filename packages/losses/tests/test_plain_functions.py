"""Every loss is a class and a plain function, with the same options, defaults and values."""

import inspect

import assay.losses as losses
import numpy as np
import pytest
import tensorflow as tf
from loss_numerics import value_and_gradient
from loss_subjects import SUBJECTS

OF_EACH_CALL = {"reduction", "normalisation", "name"}
FUNCTIONS = {
    "CrossEntropyLoss": losses.softmax_cross_entropy,
    "SigmoidCrossEntropyLoss": losses.sigmoid_cross_entropy,
    "SigmoidFocalLoss": losses.sigmoid_focal_loss,
    "SoftmaxFocalLoss": losses.softmax_focal_loss,
    "SegmentationLoss": losses.segmentation_loss,
    "MaskScoringLoss": losses.mask_scoring_loss,
    "DiceLoss": losses.dice_loss,
    "TverskyLoss": losses.tversky_loss,
    "LovaszSoftmaxLoss": losses.lovasz_softmax_loss,
    "BoxHuberLoss": losses.box_huber_loss,
    "IoULoss": losses.iou_loss,
    "GIoULoss": losses.giou_loss,
    "DIoULoss": losses.diou_loss,
    "CIoULoss": losses.ciou_loss,
    "RetinaNetLoss": losses.retinanet_loss,
    "RpnScoreLoss": losses.rpn_score_loss,
    "RpnBoxLoss": losses.rpn_box_loss,
    "FastrcnnClassLoss": losses.fastrcnn_class_loss,
    "FastrcnnBoxLoss": losses.fastrcnn_box_loss,
    "MaskrcnnLoss": losses.maskrcnn_loss,
    "DistillationLoss": losses.distillation_loss,
    "SupervisedContrastiveLoss": losses.supervised_contrastive_loss,
}
# The functions whose options are declared under another name, or beside an argument that is no option.
DECLARED = {**FUNCTIONS, "RetinaNetLoss": losses.retinanet_components}
NO_OPTION = {"SupervisedContrastiveLoss": {"keep"}}


def options_of(function):
    return {
        name: parameter.default
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    }


def unreduced(subject):
    """The subject's loss without reduction, its arguments, and the options of its function."""
    loss = subject.factory()
    config = loss.get_config()
    loss = type(loss).from_config({**config, "reduction": "none"})
    arguments = subject.sample[::-1] if subject.traits.get("arguments") else subject.sample
    return loss, arguments, {key: value for key, value in config.items() if key not in OF_EACH_CALL}


@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda subject: subject.name)
def test_unreduced_loss_is_the_plain_function(subject):
    loss, arguments, options = unreduced(subject)

    values = FUNCTIONS[type(loss).__name__](*arguments, **options)

    assert values.shape.rank >= 1
    assert np.any(values != 0.0)
    kept = values if loss.valid_elements(*loss.prepare(*subject.sample)) is None else np.nan_to_num(values)
    np.testing.assert_array_equal(loss(*arguments), kept)


@pytest.mark.parametrize("name", DECLARED)
def test_class_and_function_have_the_same_options_and_defaults(name):
    declared = options_of(DECLARED[name])
    required = {key: 2 for key, default in declared.items() if default is inspect.Parameter.empty}
    config = getattr(losses, name)(**required).get_config()

    options = {key: value for key, value in config.items() if key not in OF_EACH_CALL}

    assert options.keys() == declared.keys() - NO_OPTION.get(name, set())
    given = {**declared, **required}
    # Where a function takes None for "no attributes", the class holds an empty mapping.
    assert options == {key: {} if options[key] == {} else given[key] for key in options}


def test_every_loss_has_a_function():
    classes = {
        name
        for name, value in vars(losses).items()
        if isinstance(value, type) and issubclass(value, tf.keras.losses.Loss)
    }

    assert classes == FUNCTIONS.keys()


@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda subject: subject.name)
def test_labels_receive_no_gradient(subject):
    loss, arguments, options = unreduced(subject)
    arguments = tf.nest.map_structure(tf.convert_to_tensor, arguments)
    outputs_first = bool(subject.traits.get("arguments"))
    labels = [each for each in tf.nest.flatten(arguments[int(outputs_first)]) if each.dtype.is_floating]

    with tf.GradientTape() as tape:
        tape.watch(labels)
        value = tf.reduce_sum(FUNCTIONS[type(loss).__name__](*arguments, **options))

    assert all(gradient is None or not np.any(gradient) for gradient in tape.gradient(value, labels))


def test_retinanet_parts_add_up_and_divide_by_the_positives_as_the_class_does():
    subject = next(each for each in SUBJECTS if each.name == "RetinaNetLoss")
    loss = subject.factory()
    labels, outputs = subject.sample
    _, _, options = unreduced(subject)

    parts = losses.retinanet_components(labels, outputs, **options)

    positives = labels["box_weights"].sum()
    assert positives > 1
    for name, value in loss.components(labels, outputs).items():
        np.testing.assert_allclose(np.sum(parts[name]) / positives, value, rtol=1e-6)


def test_mined_pixels_are_the_mean_of_the_hardest():
    logits = np.array([[[[0.0, 2.0], [0.0, 1.0], [0.0, -1.0], [0.0, -2.0]]]])

    value, gradient = value_and_gradient(
        lambda z: losses.segmentation_loss(np.array([[[0, 255, 0, 0]]]), z, top_k_percent_pixels=0.5), logits
    )

    np.testing.assert_allclose(value, (np.logaddexp(0, 2) + np.logaddexp(0, -1)) / 2)
    assert (gradient[0, 0, :, 0] != 0).tolist() == [True, False, True, False]
