"""The scores of predicted masks against sets of pixels, and the loss that learns them."""

import numpy as np
import pytest
from assay.losses import MaskScoringLoss, mask_scores
from loss_numerics import assert_gradient_is_numeric

RNG = np.random.default_rng(1)
LABELS = RNG.integers(0, 4, (3, 6, 5)).astype(np.uint8)
LABELS[0, :2] = 255
LABELS[2] = 255
LOGITS = RNG.normal(size=(3, 6, 5, 5)).astype(np.float32)
LOGITS[..., 4] = -9  # a class that occurs nowhere
SCORES = RNG.uniform(size=(3, 5)).astype(np.float32)


def oracle(labels, logits):
    """Intersection over union of sets of pixels; NaN where both are empty."""
    result = np.full((len(labels), logits.shape[-1]), np.nan)
    for row, (image, found) in enumerate(zip(labels, logits.argmax(-1), strict=True)):
        valid = {tuple(index) for index in np.argwhere(image != 255)}
        for k in range(logits.shape[-1]):
            true, predicted = ({tuple(i) for i in np.argwhere(each == k)} & valid for each in (image, found))
            if true | predicted:
                result[row, k] = len(true & predicted) / len(true | predicted)
    return result


def test_scores_equal_sets_of_pixels():
    expected = oracle(LABELS, LOGITS)

    scores, defined = mask_scores(LABELS, LOGITS)

    np.testing.assert_array_equal(defined, ~np.isnan(expected))
    np.testing.assert_allclose(scores, np.nan_to_num(expected), rtol=1e-6)


@pytest.mark.flavour
def test_loss_is_the_squared_error_over_classes_that_occur():
    expected = oracle(LABELS, LOGITS)[:2]
    errors = np.nanmean((SCORES[:2] - expected) ** 2, axis=-1)
    batch = {"labels": LABELS, "logits": LOGITS}

    np.testing.assert_allclose(MaskScoringLoss(reduction="none")(batch, SCORES), [*errors, 0], rtol=1e-5)
    np.testing.assert_allclose(MaskScoringLoss()(batch, SCORES), errors.mean(), rtol=1e-5)


def test_labels_are_resized_to_the_logits():
    large = LABELS.repeat(2, axis=1).repeat(2, axis=2)

    np.testing.assert_array_equal(mask_scores(large, LOGITS)[0], mask_scores(LABELS, LOGITS)[0])


def test_gradient_equals_central_differences():
    assert_gradient_is_numeric(lambda scores: MaskScoringLoss()({"labels": LABELS, "logits": LOGITS}, scores), SCORES)


def test_scores_of_another_number_of_classes_are_refused():
    with pytest.raises(ValueError, match="num_classes"):
        MaskScoringLoss()({"labels": LABELS, "logits": LOGITS}, SCORES[:, :3])
