"""The boundary IoU against erosions by SciPy, one class and one image at a time."""

import numpy as np
import pytest
import tensorflow as tf
from assay.keras_metrics import BoundaryIoU
from class_count_oracle import mean, ratio
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import binary_erosion

SQUARE = np.ones((3, 3), bool)


def boundary(mask, distance):
    return mask & ~binary_erosion(mask, SQUARE, iterations=distance, border_value=0)


def oracle(labels, ids, num_classes, distance, counted=None, weights=None):
    counted = np.ones(labels.shape, bool) if counted is None else counted
    weights = np.ones(labels.shape) if weights is None else np.broadcast_to(weights[:, None, None], labels.shape)
    both, either = np.zeros(num_classes), np.zeros(num_classes)
    for image in range(len(labels)):
        for one in range(num_classes):
            true = boundary((labels[image] == one) & counted[image], distance)
            found = boundary((ids[image] == one) & counted[image], distance)
            both[one] += weights[image][true & found].sum()
            either[one] += weights[image][true | found].sum()
    return mean(ratio(both, either), either > 0)


def measured(metric, *arguments):
    metric.update_state(*arguments)
    return metric.result().numpy()


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1), st.integers(1, 3), st.booleans(), st.booleans())
def test_equal_to_erosions(seed, distance, ignoring, weighted):
    rng = np.random.default_rng(seed)
    blocks = rng.integers(0, 3, (2, 2, 4, 4))
    labels, ids = blocks.repeat(4, axis=2).repeat(3, axis=3)
    ids = np.roll(ids, rng.integers(-2, 3), axis=2)
    if ignoring:
        labels[rng.random(labels.shape) < 0.1] = 255
    weights = rng.uniform(0, 2, 2).astype(np.float32) if weighted else None

    value = measured(BoundaryIoU(3, distance=distance, ignore_label=255), labels, ids, weights)

    assert value == pytest.approx(oracle(labels, ids, 3, distance, labels != 255, weights), abs=1e-6)


@pytest.mark.parametrize(("size", "distance"), [((3, 4), 1), ((60, 80), 2), ((90, 120), 3)])
def test_distance_follows_from_the_diagonal(size, distance):
    rng = np.random.default_rng(0)
    labels, ids = np.zeros((2, 1, *size), np.int32)
    labels[:, : size[0] // 2] = 1
    ids[:, :, : size[1] // 2] = 1
    ids[rng.random(ids.shape) < 0.001] = 0

    assert measured(BoundaryIoU(2), labels, ids) == pytest.approx(oracle(labels, ids, 2, distance), abs=1e-6)


def test_large_mask_with_a_wrong_contour_scores_less_than_its_iou():
    labels, ids = np.zeros((2, 1, 40, 40), np.int32)
    labels[:, 5:35, 5:35] = 1
    ids[:, 7:33, 7:33] = 1

    assert measured(BoundaryIoU(2, distance=1, target_class_ids=[1]), labels, ids) == 0.0
    assert measured(BoundaryIoU(2, distance=1), labels, labels) == 1.0


def test_padding_changes_nothing():
    rng = np.random.default_rng(1)
    labels, ids = rng.integers(0, 2, (2, 1, 3, 4)).repeat(3, axis=2).repeat(3, axis=3)
    pad = ((0, 0), (0, 5), (0, 2))

    padded = measured(
        BoundaryIoU(2, distance=2, ignore_label=255), np.pad(labels, pad, constant_values=255), np.pad(ids, pad)
    )

    assert padded == measured(BoundaryIoU(2, distance=2), labels, ids)


@pytest.mark.parametrize("jit_compile", [None, True])
def test_compiles_from_scores(jit_compile):
    rng = np.random.default_rng(2)
    labels, scores = rng.integers(0, 3, (2, 8, 8)), rng.normal(size=(2, 8, 8, 3)).astype(np.float32)
    metric = BoundaryIoU(3)

    tf.function(metric.update_state, jit_compile=jit_compile)(tf.constant(labels), tf.constant(scores))

    assert metric.result().numpy() == pytest.approx(oracle(labels, scores.argmax(-1), 3, 1), abs=1e-6)


def test_unknown_size_needs_a_distance():
    signature = [tf.TensorSpec([None, None, None], tf.int32)] * 2
    labels = tf.zeros([1, 4, 4], tf.int32)

    with pytest.raises(ValueError, match="or `distance`"):
        tf.function(BoundaryIoU(2).update_state, input_signature=signature)(labels, labels)
    metric = BoundaryIoU(2, distance=1)
    tf.function(metric.update_state, input_signature=signature)(labels, labels)
    assert metric.result().numpy() == 1.0


def test_labels_must_be_maps():
    with pytest.raises(ValueError, match="label maps"):
        BoundaryIoU(2).update_state([0, 1], [0, 1])


@pytest.mark.parametrize("options", [{"distance": 0}, {"distance": 1.5}, {"dilation_ratio": 0.0}])
def test_options_out_of_range_are_refused(options):
    with pytest.raises(ValueError, match=f"`{next(iter(options))}` must be"):
        BoundaryIoU(3, **options)
