"""The segmentation loss: pixels against float64 oracles, resizing, mining, layers, matting maps, and gradients."""

import numpy as np
import pytest
import tensorflow as tf
from assay.losses import SegmentationLoss, segmentation_loss
from hypothesis import given
from hypothesis import strategies as st
from loss_numerics import assert_gradient_is_numeric, log_softmax, on_two_replicas, value_and_gradient

RNG = np.random.default_rng(0)
LABELS = np.array([[[0, 1, 255], [2, 2, 0]], [[255, 255, 255], [1, 0, 2]]], np.uint8)
LOGITS = RNG.normal(size=(2, 2, 3, 3)).astype(np.float32)
VALID = LABELS != 255
TOLERANCE = {"rtol": 1e-5, "atol": 1e-6}


def oracle(labels, logits, *, ignore_label=255, class_weights=None, label_smoothing=0.0):
    """Softmax cross-entropy pixel by pixel in float64."""
    log_p, num_classes = log_softmax(logits), logits.shape[-1]
    values = np.zeros(labels.shape)
    for index in np.ndindex(labels.shape):
        if labels[index] != ignore_label:
            target = np.eye(num_classes)[labels[index]] * (1 - label_smoothing) + label_smoothing / num_classes
            weight = 1.0 if class_weights is None else class_weights[labels[index]]
            values[index] = -weight * (target * log_p[index]).sum()
    return values


def binary_oracle(multi_hot, logits, class_weights=1.0):
    """The mean over the classes of a sigmoid cross-entropy in float64."""
    logits = np.asarray(logits, np.float64)
    return ((np.logaddexp(0, logits) - multi_hot * logits) * np.asarray(class_weights)).mean(-1)


def bilinear(image, size):
    """Bilinear resizing with half-pixel centres, one pixel at a time; `image` is `[h, w, c]`."""
    height, width = image.shape[:2]
    result = np.zeros((*size, image.shape[2]))
    for y, x in np.ndindex(size):
        at_y = np.clip((y + 0.5) * height / size[0] - 0.5, 0, height - 1)
        at_x = np.clip((x + 0.5) * width / size[1] - 0.5, 0, width - 1)
        top, left = int(at_y), int(at_x)
        bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
        down, along = at_y - top, at_x - left
        upper = (1 - along) * image[top, left] + along * image[top, right]
        lower = (1 - along) * image[bottom, left] + along * image[bottom, right]
        result[y, x] = (1 - down) * upper + down * lower
    return result


def mined(values, valid, share):
    """The mean of each image's hardest valid pixels."""
    result = []
    for row, mask in zip(values, valid, strict=True):
        places = max(1, int(np.float32(row.size) * np.float32(share)))
        hardest = np.sort(row[mask])[::-1][:places]
        result.append(hardest.mean() if hardest.size else 0.0)
    return np.array(result)


@pytest.mark.parametrize(
    "options", [{}, {"class_weights": [0.5, 2.0, 1.0]}, {"label_smoothing": 0.1, "class_weights": [0.5, 2.0, 1.0]}]
)
@pytest.mark.parametrize("layer_axis", [False, True])
@pytest.mark.parametrize("dtype", ["uint8", "int64", "float32"])
def test_pixels_equal_the_oracle(options, layer_axis, dtype):
    labels = LABELS.astype(dtype)

    values = segmentation_loss(labels[..., np.newaxis] if layer_axis else labels, LOGITS, **options)

    np.testing.assert_allclose(values, oracle(LABELS, LOGITS, **options), **TOLERANCE)


def test_mean_divides_by_the_valid_pixels_without_an_epsilon():
    value = SegmentationLoss()(LABELS, LOGITS)

    np.testing.assert_allclose(value, oracle(LABELS, LOGITS).sum() / VALID.sum(), rtol=1e-6)


@pytest.mark.parametrize("size", [(4, 6), (5, 4), (1, 2)])
def test_logits_are_resized_to_the_labels(size):
    labels = RNG.integers(0, 3, (2, *size))
    resized = np.stack([bilinear(image, size) for image in LOGITS.astype(np.float64)])

    values = segmentation_loss(labels, LOGITS)

    np.testing.assert_allclose(values, oracle(labels, resized), **TOLERANCE)


@pytest.mark.parametrize("size", [(4, 6), (5, 4), (7, 7)])
def test_labels_are_resized_to_the_logits(size):
    labels = RNG.integers(0, 3, (2, *size)).astype(np.uint8)
    rows = [int((i + 0.5) * size[0] / 2) for i in range(2)]
    columns = [int((i + 0.5) * size[1] / 3) for i in range(3)]

    values = segmentation_loss(labels, LOGITS, use_groundtruth_dimension=False)

    np.testing.assert_allclose(values, oracle(labels[:, rows][:, :, columns], LOGITS), **TOLERANCE)


@pytest.mark.parametrize("use_groundtruth_dimension", [True, False])
def test_sizes_known_at_run_time_only_give_the_same(use_groundtruth_dimension):
    labels = RNG.integers(0, 3, (2, 5, 4)).astype(np.uint8)
    loss = SegmentationLoss(use_groundtruth_dimension=use_groundtruth_dimension, top_k_percent_pixels=0.5)
    signature = [tf.TensorSpec([None, None, None], tf.uint8), tf.TensorSpec([None, None, None, 3], tf.float32)]

    traced = tf.function(loss, input_signature=signature)

    np.testing.assert_allclose(traced(labels, LOGITS), loss(labels, LOGITS), rtol=1e-6)


def test_several_layers_name_several_classes():
    layers = np.array([[[[1, 3], [255, 2]], [[255, 255], [0, 0]]]], np.uint8)
    logits = RNG.normal(size=(1, 2, 2, 4)).astype(np.float32)
    multi_hot = np.array([[[[0, 1, 0, 1], [0, 0, 1, 0]], [[0, 0, 0, 0], [1, 0, 0, 0]]]])
    weights = [1.0, 2.0, 0.5, 1.0]
    expected = binary_oracle(multi_hot, logits, weights) * [[[1, 1], [0, 1]]]

    loss = SegmentationLoss(use_binary_cross_entropy=True, class_weights=weights)

    np.testing.assert_allclose(loss(layers, logits), expected.sum() / 3, rtol=1e-5)


@pytest.mark.parametrize("binary", [False, True])
def test_matting_map_is_the_share_of_the_foreground(binary):
    share = RNG.uniform(size=(2, 2, 3)).astype(np.float32)
    share[0, 0, 0] = 255
    logits = LOGITS[..., :2]
    targets = np.stack([1 - share, share], -1)
    expected = binary_oracle(targets, logits) if binary else -(targets * log_softmax(logits)).sum(-1)
    expected[0, 0, 0] = 0

    values = segmentation_loss(share, logits, gt_is_matting_map=True, use_binary_cross_entropy=binary)

    np.testing.assert_allclose(values, expected, **TOLERANCE)


@st.composite
def label_maps(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    labels = rng.integers(0, 3, (2, 3, 5))
    labels[rng.uniform(size=labels.shape) < draw(st.sampled_from([0.0, 0.3, 0.95]))] = 255
    logits = rng.normal(size=(2, 3, 5, 3)).astype(np.float32)
    return labels, (np.round(logits) if draw(st.booleans()) else logits), draw(st.sampled_from([0.01, 0.2, 0.5, 0.9]))


@given(label_maps())
def test_mining_takes_the_hardest_pixels_of_each_image(label_map):
    labels, logits, share = label_map

    loss = SegmentationLoss(top_k_percent_pixels=share)
    expected = mined(oracle(labels, logits), labels != 255, share)

    np.testing.assert_allclose(
        loss(labels, logits), expected.sum() / max((labels != 255).any((1, 2)).sum(), 1), rtol=1e-5
    )
    np.testing.assert_allclose(
        SegmentationLoss(top_k_percent_pixels=share, reduction="none")(labels, logits), expected, rtol=1e-5
    )


def test_mined_images_take_one_weight_each():
    labels, logits = np.zeros((2, 1, 3), np.int32), LOGITS[:, :1].copy()
    logits[1, 0, 0] = np.nan
    loss = SegmentationLoss(top_k_percent_pixels=0.7, reduction="sum")

    value, gradient = value_and_gradient(lambda z: loss(labels, z, [0.5, 0.0]), logits)

    np.testing.assert_allclose(value, 0.5 * loss(labels[:1], logits[:1]), rtol=1e-6)
    assert np.isfinite(gradient).all()
    with pytest.raises(ValueError, match="sample_weight"):
        loss(labels, logits, np.ones((2, 1, 3)))


def test_mining_gives_ties_equal_shares_and_no_gradient_to_the_easy():
    labels, logits = np.zeros((1, 1, 4), np.int32), np.float32([[[[0, 2], [0, 1], [0, 1], [0, -5]]]])

    value, gradient = value_and_gradient(
        lambda z: SegmentationLoss(top_k_percent_pixels=0.5)(labels, z), logits.astype(np.float64)
    )

    np.testing.assert_allclose(value, (np.logaddexp(0, 2) + np.logaddexp(0, 1)) / 2)
    np.testing.assert_allclose(gradient[0, 0, 1], gradient[0, 0, 2])
    np.testing.assert_array_equal(gradient[0, 0, 3], 0)


def test_mining_does_not_hide_an_id_out_of_range():
    labels = np.array([[[0, 7, 1, 1]]])

    assert np.isnan(SegmentationLoss(top_k_percent_pixels=0.25)(labels, LOGITS[:1, :1, [0, 0, 1, 2]]))


@pytest.mark.parametrize("options", [{}, {"use_binary_cross_entropy": True}, {"top_k_percent_pixels": 0.4}])
@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
def test_gradient_equals_central_differences(options, label_smoothing):
    loss = SegmentationLoss(class_weights=[0.5, 2.0, 1.0], label_smoothing=label_smoothing, **options)

    assert_gradient_is_numeric(lambda z: loss(LABELS, z), LOGITS)


def test_gradient_passes_the_resizing():
    labels, loss = RNG.integers(0, 3, (2, 4, 4)), SegmentationLoss(reduction="sum")

    # TensorFlow resizes in float32: a larger step, and a larger tolerance.
    assert_gradient_is_numeric(lambda z: loss(labels, z), LOGITS, step=1e-2, atol=5e-3)


@pytest.mark.parametrize("size", [20.0, 1000.0, 1e30])
def test_saturated_logits_have_exact_values_and_gradients(size):
    labels, logits = np.array([[[0, 0]]]), np.float32([[[[size, -size], [-size, size]]]])

    value, gradient = value_and_gradient(lambda z: segmentation_loss(labels, z), logits)

    np.testing.assert_allclose(value, 2 * size, rtol=1e-6)
    np.testing.assert_allclose(gradient, [[[[0, 0], [-1, 1]]]], atol=1e-6)


@pytest.mark.parametrize("options", [{}, {"label_smoothing": 0.1}, {"use_binary_cross_entropy": True}])
def test_ignored_pixels_have_neither_value_nor_gradient(options):
    poisoned = np.where(VALID[..., np.newaxis], LOGITS, np.nan).astype(np.float32)

    value, gradient = value_and_gradient(lambda z: SegmentationLoss(**options)(LABELS, z), poisoned)

    np.testing.assert_allclose(value, SegmentationLoss(**options)(LABELS, LOGITS), rtol=1e-6)
    assert (gradient[~VALID] == 0).all()
    assert np.isfinite(gradient).all()


def test_images_that_are_ignored_in_part_count_alike_on_one_replica_and_two():
    loss = SegmentationLoss(top_k_percent_pixels=0.5)

    halves = on_two_replicas(
        lambda labels, logits: loss(labels, logits) / 2.0, (LABELS[:1], LOGITS[:1]), (LABELS[1:], LOGITS[1:])
    )

    np.testing.assert_allclose(sum(halves), loss(LABELS, LOGITS), rtol=1e-6)


@pytest.mark.parametrize(
    ("labels", "options", "message"),
    [
        (np.zeros((2, 2, 3, 2), np.int32), {}, "use_binary_cross_entropy"),
        (np.zeros((2, 2, 3), np.float32), {"gt_is_matting_map": True}, "two classes"),
        (np.zeros((2, 2), np.int32), {}, "height, width"),
        (np.zeros((3, 2, 3), np.int32), {}, "batches of different sizes"),
    ],
)
def test_labels_that_do_not_fit_are_refused(labels, options, message):
    with pytest.raises(ValueError, match=message):
        SegmentationLoss(**options)(labels, LOGITS)


@pytest.mark.parametrize("share", [0.0, 1.5, 20])
def test_share_of_pixels_out_of_range_is_refused(share):
    with pytest.raises(ValueError, match="fraction"):
        SegmentationLoss(top_k_percent_pixels=share)
