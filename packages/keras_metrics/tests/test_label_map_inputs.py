"""The dict of masks, valid masks and image info, and predictions brought to the size of the labels."""

import numpy as np
import pytest
import tensorflow as tf
from assay.keras_metrics import MeanIoU, PixelAccuracy
from assay.keras_metrics._rescale import to_original
from class_count_oracle import best, counts
from hypothesis import given, settings
from hypothesis import strategies as st

RNG = np.random.default_rng(5)
CLASSES = 3
MASKS = RNG.integers(0, CLASSES, (2, 6, 8))
SCORES = RNG.normal(size=(2, 6, 8, CLASSES)).astype(np.float32)


def accuracy(labels, ids, counted):
    found, _, _, total = counts(labels, ids, CLASSES, counted=counted)
    return found.sum() / total


def measured(metric, *arguments):
    metric.update_state(*arguments)
    return metric.result().numpy()


def info(original, canvas, scale, offset=(0, 0)):
    return np.float32([original, canvas, scale, offset])


@pytest.mark.parametrize("channel", [False, True])
def test_valid_masks_leave_pixels_out(channel):
    valid = RNG.random(MASKS.shape) < 0.5
    sides = {"masks": MASKS.astype(np.float32), "valid_masks": valid}
    if channel:
        sides = {key: value[..., np.newaxis] for key, value in sides.items()}

    value = measured(PixelAccuracy(CLASSES), sides, SCORES)

    assert value == pytest.approx(accuracy(MASKS, best(SCORES), valid))


def test_pixel_is_valid_when_any_layer_is():
    valid = RNG.random((*MASKS.shape, 2)) < 0.4

    value = measured(PixelAccuracy(CLASSES), {"masks": MASKS, "valid_masks": valid}, SCORES)

    assert value == pytest.approx(accuracy(MASKS, best(SCORES), valid.any(-1)))


def test_valid_masks_ignore_label_and_weights_act_together():
    valid, weights = RNG.random(MASKS.shape) < 0.7, RNG.uniform(0, 2, MASKS.shape).astype(np.float32)

    value = measured(PixelAccuracy(CLASSES, ignore_label=1), {"masks": MASKS, "valid_masks": valid}, SCORES, weights)

    found, _, _, total = counts(MASKS, best(SCORES), CLASSES, counted=valid & (MASKS != 1), weights=weights)
    assert value == pytest.approx(found.sum() / total, rel=1e-6)


def test_scores_of_another_size_are_resized_to_the_masks():
    small = RNG.normal(size=(2, 3, 4, CLASSES)).astype(np.float32)

    value = measured(PixelAccuracy(CLASSES), {"masks": MASKS}, small)

    resized = tf.image.resize(small, (6, 8)).numpy()
    assert value == pytest.approx(accuracy(MASKS, best(resized), None))


def test_class_ids_of_another_size_are_resized_to_the_nearest():
    small = RNG.integers(0, CLASSES, (2, 3, 4, 1))

    value = measured(PixelAccuracy(CLASSES), {"masks": MASKS}, small)

    assert value == pytest.approx(accuracy(MASKS, small[..., 0].repeat(2, axis=1).repeat(2, axis=2), None))


def test_arrays_of_another_size_are_refused():
    with pytest.raises(ValueError, match="does not fit"):
        MeanIoU(CLASSES).update_state(MASKS, SCORES[:, :3])


def looked_up(scores, row, column):
    """Bilinear interpolation of `[h, w, c]` at a continuous position, clamped at the borders, in float64."""
    height, width, _ = scores.shape
    row, column = np.clip(row, 0, height - 1), np.clip(column, 0, width - 1)
    top, left = int(np.floor(row)), int(np.floor(column))
    bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
    down, along = row - top, column - left
    upper = scores[top, left] * (1 - along) + scores[top, right] * along
    lower = scores[bottom, left] * (1 - along) + scores[bottom, right] * along
    return upper * (1 - down) + lower * down


def original_oracle(scores, image_info, size, canvas):
    """Scores of each pixel of a label map of a size, and whether there is one, a pixel at a time."""
    original, _, scale, offset = np.asarray(image_info, np.float64)
    values, inside = np.zeros((*size, scores.shape[-1])), np.zeros(size, bool)
    for y in range(size[0]):
        for x in range(size[1]):
            at = (np.array([y, x]) + 0.5) * scale - offset
            inside[y, x] = np.all(np.array([y, x]) < original) and np.all(at >= 0) and np.all(at <= canvas)
            row, column = at * np.array(scores.shape[:2]) / canvas - 0.5
            values[y, x] = looked_up(np.asarray(scores, np.float64), row, column)
    return values, inside


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1), st.booleans(), st.booleans())
def test_original_pixels_look_up_their_prediction(seed, padded, cropped):
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(2, *rng.integers(1, 7, 2), 2)).astype(np.float32)
    originals, scale = rng.integers(1, 9, (2, 2)), rng.uniform(0.4, 2.5, (2, 2))
    canvas = np.ceil((originals * scale).max(axis=0)) + (rng.integers(1, 4) if padded else 0)
    offset = rng.integers(0, 3, (2, 2)) if cropped else np.zeros((2, 2))
    # Model Garden's second form says how large the scaled image is, and not how large the padded input is.
    row_1 = np.round(originals * scale) if padded else np.tile(canvas, (2, 1))
    image_info = np.stack([originals, row_1, scale, offset], axis=1).astype(np.float32)

    values, inside = to_original(
        tf.constant(scores), image_info, (8, 9), input_size=tuple(canvas.astype(int)) if padded else None
    )

    for image in range(2):
        wanted, wanted_inside = original_oracle(scores[image], image_info[image], (8, 9), canvas)
        np.testing.assert_array_equal(inside[image], wanted_inside)
        np.testing.assert_allclose(values[image][wanted_inside], wanted[wanted_inside], atol=1e-4)


def test_whole_factor_without_padding_equals_resizing():
    small = RNG.normal(size=(1, 3, 4, CLASSES)).astype(np.float32)

    values, inside = to_original(tf.constant(small), [info((6, 8), (12, 16), (2, 2))], (6, 8), input_size=None)

    np.testing.assert_allclose(values, tf.image.resize(small, (6, 8)), atol=1e-5)
    assert inside.numpy().all()


def test_only_the_original_image_counts():
    image_info = np.stack([info((4, 5), (8, 10), (2, 2)), info((6, 8), (6, 8), (1, 1))])
    scores = RNG.normal(size=(2, 8, 10, CLASSES)).astype(np.float32)
    metric = PixelAccuracy(CLASSES, rescale_predictions=True)

    metric.update_state({"masks": MASKS, "image_info": image_info}, scores)

    assert metric.class_counts.total().numpy() == 4 * 5 + 6 * 8


def test_padded_input_is_told_by_input_size():
    ids = np.zeros((1, 4, 4), np.int32)
    ids[:, :, 2:] = 1  # padding; the image is the left half of the input, in the scale 1/2
    image_info = [info((8, 4), (4, 2), (0.5, 0.5))]
    masks = np.zeros((1, 8, 8), np.int32)

    value = measured(
        PixelAccuracy(2, rescale_predictions=True, input_size=(4, 4)), {"masks": masks, "image_info": image_info}, ids
    )

    assert value == 1.0


@pytest.mark.parametrize(("sides", "missing"), [({"valid_masks": MASKS}, "masks"), ({"masks": MASKS}, "image_info")])
def test_missing_key_is_named(sides, missing):
    with pytest.raises(ValueError, match=f"lacks '{missing}'. Received: {sorted(sides)!r}".replace("[", r"\[")):
        MeanIoU(CLASSES, rescale_predictions=True).update_state(sides, SCORES)


def test_rescaling_needs_a_dict():
    with pytest.raises(ValueError, match="as a dict of masks and image_info"):
        MeanIoU(CLASSES, rescale_predictions=True).update_state(MASKS, SCORES)


@pytest.mark.parametrize(
    ("changed", "match"),
    [
        ({"masks": MASKS[0]}, "`masks` must have shape"),
        ({"valid_masks": MASKS[:, :2]}, "`valid_masks` of shape"),
        ({"image_info": np.ones([4, 2], np.float32)}, "`image_info` must have shape"),
    ],
)
def test_wrong_shapes_are_named(changed, match):
    sides = {"masks": MASKS, "image_info": np.ones([2, 4, 2], np.float32), **changed}

    with pytest.raises(ValueError, match=match):
        MeanIoU(CLASSES, rescale_predictions=True).update_state(sides, SCORES)


@pytest.mark.parametrize("jit_compile", [None, True])
def test_rescaling_compiles_with_static_shapes(jit_compile):
    sides = {"masks": tf.constant(MASKS), "image_info": tf.constant([info((4, 5), (6, 8), (1.5, 1.5))] * 2)}
    metric, eager = (MeanIoU(CLASSES, rescale_predictions=True) for _ in range(2))

    tf.function(metric.update_state, jit_compile=jit_compile)(sides, tf.constant(SCORES))

    assert metric.result().numpy() == measured(eager, sides, SCORES)
