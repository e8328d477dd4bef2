"""Dice, Tversky and Lovász losses: against sums over sets of pixels in float64, saturated logits, and gradients."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
from assay.losses import DiceLoss, LovaszSoftmaxLoss, TverskyLoss, dice_loss, lovasz_softmax_loss, tversky_loss
from hypothesis import given
from hypothesis import strategies as st
from loss_numerics import assert_gradient_is_numeric, on_two_replicas, sigmoid, softmax, value_and_gradient

FUNCTIONS = {"dice": dice_loss, "tversky": tversky_loss, "lovasz": lovasz_softmax_loss}


def overlap_oracle(true, found, kind, *, smooth=1.0, alpha=0.3, beta=0.7):
    """One class of one image."""
    tp, fp, fn = (true * found).sum(), ((1 - true) * found).sum(), (true * (1 - found)).sum()
    if kind == "dice":
        return 1 - (2 * tp + smooth) / (true.sum() + found.sum() + smooth)
    if kind == "squared":
        return 1 - (2 * tp + smooth) / ((true**2).sum() + (found**2).sum() + smooth)
    return 1 - (tp + smooth) / (tp + alpha * fp + beta * fn + smooth)


def lovasz_oracle(true, found):
    """One class of one image, by the definition: Jaccard losses of growing sets of wrong pixels."""
    errors = np.abs(true - found)
    order = sorted(range(len(errors)), key=lambda pixel: -errors[pixel])
    inside, value, last, wrong = {i for i, t in enumerate(true) if t}, 0.0, 0.0, set()
    for pixel in order:
        wrong.add(pixel)
        right = inside - wrong
        union = inside | wrong
        jaccard = 1 - len(right) / len(union) if union else 0.0
        value, last = value + errors[pixel] * (jaccard - last), jaccard
    return value


def oracle(ids, probabilities, kind, *, classes="all", class_weights=None, ignore_label=255, **options):
    """The weighted mean over the classes, image by image."""
    result = []
    for image, found in zip(ids.reshape(len(ids), -1), probabilities.reshape(len(ids), -1, 3), strict=True):
        keep = image != ignore_label
        image, found = image[keep], found[keep]
        weights = np.array([1.0, 1.0, 1.0] if class_weights is None else class_weights)
        if classes == "present":
            weights = weights * [(image == k).any() for k in range(3)]
        values = [
            lovasz_oracle(image == k, found[:, k])
            if kind == "lovasz"
            else overlap_oracle((image == k) * 1.0, found[:, k], kind, **options)
            for k in range(3)
        ]
        result.append(np.dot(values, weights) / weights.sum() if weights.sum() else 0.0)
    return np.array(result)


@st.composite
def images(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    ids = rng.integers(0, draw(st.sampled_from([2, 3])), (2, 3, 4))
    ids[rng.uniform(size=ids.shape) < draw(st.sampled_from([0.0, 0.4]))] = 255
    options = {
        "classes": draw(st.sampled_from(["all", "present"])),
        "class_weights": draw(st.sampled_from([None, [0.0, 1.0, 2.0]])),
    }
    return ids, rng.normal(size=(2, 3, 4, 3)).astype(np.float32) * 2, options


@given(images(), st.sampled_from([0.0, 1.0]))
def test_values_equal_the_oracle(image, smooth):
    ids, logits, options = image
    p = softmax(logits)

    for kind, function, own in (
        ("dice", dice_loss, {"smooth": smooth}),
        ("squared", lambda *args, **kwargs: dice_loss(*args, squared=True, **kwargs), {"smooth": smooth}),
        ("tversky", tversky_loss, {"smooth": smooth, "alpha": 0.2, "beta": 0.9}),
        ("lovasz", lovasz_softmax_loss, {}),
    ):
        with np.errstate(invalid="ignore"):
            expected = oracle(ids, p, kind, **options, **own)
        if np.isnan(expected).any():
            continue  # smooth is 0 and a class has no pixel at all: the fraction of the oracle is undefined
        np.testing.assert_allclose(function(ids, logits, ignore_label=255, **options, **own), expected, atol=2e-6)


@pytest.mark.parametrize("squared", [False, True])
def test_sigmoid_and_soft_masks(squared):
    rng = np.random.default_rng(0)
    true, logits = rng.uniform(size=(2, 5, 3)), rng.normal(size=(2, 5, 3))
    p = sigmoid(logits)
    expected = [
        np.mean([overlap_oracle(true[i, :, k], p[i, :, k], "squared" if squared else "dice") for k in range(3)])
        for i in range(2)
    ]

    np.testing.assert_allclose(dice_loss(true, logits, activation="sigmoid", squared=squared), expected, rtol=1e-6)


def test_tversky_of_one_half_is_dice_with_half_its_smoothing():
    rng = np.random.default_rng(1)
    ids, logits = rng.integers(0, 3, (2, 6)), rng.normal(size=(2, 6, 3))

    np.testing.assert_allclose(
        tversky_loss(ids, logits, alpha=0.5, beta=0.5, smooth=0.5), dice_loss(ids, logits, smooth=1.0), rtol=1e-12
    )


def test_lovasz_of_certain_predictions_is_the_jaccard_loss():
    # Every labelling and every prediction of three pixels of two classes, 64 pairs.
    both = np.array(list(itertools.product(itertools.product([0, 1], repeat=3), repeat=2)))
    ids, predicted = both[:, 0], both[:, 1]
    expected = []
    for true, found in zip(ids, predicted, strict=True):
        ious = [((true == k) & (found == k)).sum() / ((true == k) | (found == k)).sum() for k in set(true)]
        expected.append(1 - np.mean(ious))

    values = lovasz_softmax_loss(ids, np.eye(2)[predicted], from_logits=False)

    np.testing.assert_allclose(values, expected, atol=1e-6)


def test_class_that_occurs_nowhere_scores_zero_without_smoothing():
    logits = np.float32([[[50, -50], [50, -50]]])

    value, gradient = value_and_gradient(lambda z: dice_loss([[0, 0]], z, smooth=0.0, class_weights=[0.0, 1.0]), logits)

    assert np.isfinite(value)
    assert np.isfinite(gradient).all()


@pytest.mark.parametrize("kind", FUNCTIONS)
@pytest.mark.parametrize("from_logits", [True, False])
def test_gradient_equals_central_differences(kind, from_logits):
    rng = np.random.default_rng(2)
    ids, point = np.array([[0, 1, 1, 0, 255]]), rng.normal(size=(1, 5, 3))

    assert_gradient_is_numeric(
        lambda z: FUNCTIONS[kind](ids, z, ignore_label=255, from_logits=from_logits),
        point if from_logits else softmax(point),
    )


@pytest.mark.parametrize("kind", FUNCTIONS)
@pytest.mark.parametrize("size", [20.0, 100.0, 1000.0, 1e30])
def test_sure_and_wrong_logits_are_pushed_towards_the_right_class(kind, size):
    wrong = np.float32([[[-size, size], [size, -size]]])

    value, gradient = value_and_gradient(lambda z: FUNCTIONS[kind]([[0, 1]], z), wrong)

    assert 0.4 < value <= 1.0
    assert np.isfinite(gradient).all()
    assert (gradient * wrong > 0).all()


@pytest.mark.parametrize("kind", FUNCTIONS)
@pytest.mark.parametrize("size", [20.0, 1000.0])
def test_sure_and_right_logits_score_nearly_zero(kind, size):
    right = np.float32([[[size, -size], [-size, size]]])

    value, gradient = value_and_gradient(lambda z: FUNCTIONS[kind]([[0, 1]], z), right)

    assert 0 <= value < 1e-6
    np.testing.assert_allclose(gradient, 0, atol=1e-6)


@pytest.mark.flavour
@pytest.mark.parametrize("loss_class", [DiceLoss, TverskyLoss, LovaszSoftmaxLoss])
def test_images_without_valid_pixels_do_not_count(loss_class):
    rng = np.random.default_rng(3)
    ids, logits = rng.integers(0, 3, (3, 4)), rng.normal(size=(3, 4, 3)).astype(np.float32)
    ids[1] = 255
    logits[1] = np.nan
    loss = loss_class(ignore_label=255)

    value, gradient = value_and_gradient(lambda z: loss(ids, z), logits)

    np.testing.assert_allclose(value, loss(ids[[0, 2]], logits[[0, 2]]), rtol=1e-6)
    np.testing.assert_array_equal(gradient[1], 0)
    halves = on_two_replicas(lambda y, z: loss(y, z) / 2.0, (ids[:2], logits[:2]), (ids[2:], logits[2:]))
    np.testing.assert_allclose(sum(halves), value, rtol=1e-6)


@pytest.mark.parametrize("kind", FUNCTIONS)
def test_id_out_of_range_is_nan_for_its_image_alone(kind):
    values = FUNCTIONS[kind](tf.constant([[0, 3], [0, 1]]), tf.zeros([2, 2, 3])).numpy()

    assert np.isnan(values).tolist() == [True, False]


def test_predictions_without_pixels_are_refused():
    with pytest.raises(ValueError, match="at least one axis of pixels"):
        dice_loss([0, 1], np.zeros((2, 3), np.float32))


@pytest.mark.parametrize(
    ("loss_class", "options", "message"),
    [
        (DiceLoss, {"smooth": -1.0}, "smooth"),
        (DiceLoss, {"activation": "tanh"}, "activation"),
        (TverskyLoss, {"alpha": 0.0, "beta": 0.0}, "alpha"),
        (LovaszSoftmaxLoss, {"classes": "some"}, "classes"),
    ],
)
def test_options_out_of_range_are_refused(loss_class, options, message):
    with pytest.raises(ValueError, match=message):
        loss_class(**options)
