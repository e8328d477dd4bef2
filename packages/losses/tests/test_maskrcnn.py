"""The losses of Mask R-CNN: against loops over anchors, boxes and masks in float64."""

import numpy as np
import pytest
from assay.losses import FastrcnnBoxLoss, FastrcnnClassLoss, MaskrcnnLoss, RpnBoxLoss, RpnScoreLoss
from loss_numerics import assert_gradient_is_numeric, log_softmax, on_two_replicas

RNG = np.random.default_rng(5)
SIZES = {"2": (2, 3), "3": (1, 2)}


def by_level(depth, batch=2):
    return {level: RNG.normal(size=(batch, *size, depth)).astype(np.float32) for level, size in SIZES.items()}


SCORES = by_level(2)
SCORE_LABELS = {level: RNG.integers(-1, 2, values.shape).astype(np.int32) for level, values in SCORES.items()}
BOXES = by_level(8)
BOX_LABELS = {level: values.copy() for level, values in by_level(8).items()}
for _values in BOX_LABELS.values():
    _values.reshape(-1, 4)[::3] = 0.0
CLASS_OUTPUTS = RNG.normal(size=(2, 5, 3)).astype(np.float32)
CLASSES = np.array([[0, 1, 2, 0, 2], [1, 0, 0, 0, 0]], np.int32)
ROI_OUTPUTS, ROI_TARGETS = RNG.normal(size=(2, 5, 12)).astype(np.float32), RNG.normal(size=(2, 5, 4)).astype(np.float32)
MASK_OUTPUTS = RNG.normal(size=(2, 5, 3, 3)).astype(np.float32)
MASK_TARGETS = RNG.integers(0, 2, (2, 5, 3, 3)).astype(np.float32)


def huber(error, delta):
    error = np.abs(np.asarray(error, np.float64))
    return np.where(error <= delta, error**2 / 2, delta * (error - delta / 2))


def binary(targets, logits):
    logits = np.asarray(logits, np.float64)
    return np.logaddexp(0, logits) - targets * logits


def test_rpn_score_equals_the_oracle():
    total = 0.0
    for level, logits in SCORES.items():
        for index in np.ndindex(logits.shape):
            if SCORE_LABELS[level][index] >= 0:
                total += binary(SCORE_LABELS[level][index], logits[index])

    value = RpnScoreLoss(rpn_batch_size_per_im=16)(SCORES, SCORE_LABELS)

    np.testing.assert_allclose(value, total / (2 * 16), rtol=1e-5)


def rpn_box_oracle(labels=BOX_LABELS, outputs=BOXES, delta=0.3):
    value = 0.0
    for level, boxes in outputs.items():
        targets, boxes = labels[level].reshape(-1, 4), boxes.reshape(-1, 4)
        positive = (targets != 0).any(-1)
        value += huber(targets - boxes, delta)[positive].mean(-1).sum() / max(positive.sum(), 1)
    return value


def test_rpn_box_equals_the_oracle_level_by_level():
    np.testing.assert_allclose(RpnBoxLoss(0.3)(BOXES, BOX_LABELS), rpn_box_oracle(), rtol=1e-5)


def test_rpn_box_positives_of_each_level_are_counted_over_all_replicas():
    loss = RpnBoxLoss(0.3)
    labels = {level: values.copy() for level, values in BOX_LABELS.items()}
    labels["3"][0] = 0.0  # no positive on the first replica
    halves = [
        tuple({level: values[image : image + 1] for level, values in side.items()} for side in (BOXES, labels))
        for image in range(2)
    ]

    values = on_two_replicas(lambda *batch: loss(*batch) / 2.0, *halves)

    np.testing.assert_allclose(sum(values), rpn_box_oracle(labels), rtol=1e-5)


def test_rpn_box_image_of_weight_zero_equals_removal():
    second = tuple({level: values[1:] for level, values in side.items()} for side in (BOXES, BOX_LABELS))
    loss = RpnBoxLoss(0.3)

    np.testing.assert_allclose(loss(BOXES, BOX_LABELS, sample_weight=[0.0, 1.0]), loss(*second), rtol=1e-6)


@pytest.mark.parametrize("weights", [None, [0.5, 1.0, 2.0]])
def test_fastrcnn_class_equals_the_oracle(weights):
    factors = np.ones(3) if weights is None else np.array(weights)
    log_p = log_softmax(CLASS_OUTPUTS)
    softmax = np.mean([-factors[CLASSES[i]] * log_p[i][CLASSES[i]] for i in np.ndindex(CLASSES.shape)])
    sigmoid = (binary(np.eye(3)[CLASSES], CLASS_OUTPUTS) * factors).mean()

    np.testing.assert_allclose(FastrcnnClassLoss()(CLASS_OUTPUTS, CLASSES, weights), softmax, rtol=1e-5)
    np.testing.assert_allclose(FastrcnnClassLoss(True)(CLASS_OUTPUTS, CLASSES, weights), sigmoid, rtol=1e-5)


def test_fastrcnn_class_mines_the_hardest_boxes_of_each_image():
    log_p = log_softmax(CLASS_OUTPUTS)
    values = np.array([[-log_p[i, j, CLASSES[i, j]] for j in range(5)] for i in range(2)])

    value = FastrcnnClassLoss(top_k_percent=0.4)(CLASS_OUTPUTS, CLASSES)

    np.testing.assert_allclose(value, np.sort(values, axis=-1)[:, -2:].mean(), rtol=1e-5)


@pytest.mark.parametrize("agnostic", [False, True])
def test_fastrcnn_box_equals_the_oracle(agnostic):
    outputs = ROI_OUTPUTS[..., :4] if agnostic else ROI_OUTPUTS
    total = 0.0
    for i in np.ndindex(CLASSES.shape):
        if CLASSES[i] > 0:
            box = outputs[i] if agnostic else outputs[i].reshape(3, 4)[CLASSES[i]]
            total += huber(ROI_TARGETS[i] - box, 0.5).mean()
    loss = FastrcnnBoxLoss(0.5, agnostic)

    np.testing.assert_allclose(loss(outputs, CLASSES, ROI_TARGETS), total / (CLASSES > 0).sum(), rtol=1e-5)
    np.testing.assert_allclose(
        loss(outputs, {"class_targets": CLASSES, "box_targets": ROI_TARGETS}), total / (CLASSES > 0).sum(), rtol=1e-5
    )


def test_mask_equals_the_oracle():
    expected = binary(MASK_TARGETS, MASK_OUTPUTS)[CLASSES > 0].mean()

    np.testing.assert_allclose(MaskrcnnLoss()(MASK_OUTPUTS, MASK_TARGETS, CLASSES), expected, rtol=1e-5)


def test_positives_are_counted_over_all_replicas():
    box, mask = FastrcnnBoxLoss(0.5), MaskrcnnLoss()

    def step(classes, outputs, targets, mask_outputs, mask_targets):
        return (box(outputs, classes, targets) + mask(mask_outputs, mask_targets, classes)) / 2.0

    everything = (CLASSES, ROI_OUTPUTS, ROI_TARGETS, MASK_OUTPUTS, MASK_TARGETS)
    halves = on_two_replicas(step, *(tuple(array[i : i + 1] for array in everything) for i in range(2)))

    np.testing.assert_allclose(sum(halves), 2 * step(*everything), rtol=1e-6)


def test_background_only_is_zero():
    nothing = np.zeros_like(CLASSES)

    assert FastrcnnBoxLoss()(ROI_OUTPUTS * np.nan, nothing, ROI_TARGETS) == 0.0
    assert MaskrcnnLoss()(MASK_OUTPUTS * np.nan, MASK_TARGETS, nothing) == 0.0
    assert RpnBoxLoss()(BOXES, {level: values * 0 for level, values in BOX_LABELS.items()}) == 0.0
    assert RpnScoreLoss()(SCORES, {level: values * 0 - 1 for level, values in SCORE_LABELS.items()}) == 0.0


def test_gradients_equal_central_differences():
    level = {"3": BOX_LABELS["3"][:1]}

    assert_gradient_is_numeric(lambda z: RpnScoreLoss(4)({"3": z}, {"3": SCORE_LABELS["3"][:1]}), SCORES["3"][:1])
    assert_gradient_is_numeric(lambda z: RpnBoxLoss(0.3)({"3": z}, level), BOXES["3"][:1])
    assert_gradient_is_numeric(lambda z: FastrcnnClassLoss()(z, CLASSES[:1]), CLASS_OUTPUTS[:1])
    assert_gradient_is_numeric(lambda z: FastrcnnBoxLoss(0.5)(z, CLASSES[:1], ROI_TARGETS[:1]), ROI_OUTPUTS[:1])
    assert_gradient_is_numeric(lambda z: MaskrcnnLoss()(z, MASK_TARGETS[:1], CLASSES[:1]), MASK_OUTPUTS[:1])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: RpnScoreLoss()(SCORES, {"2": SCORE_LABELS["2"]}), "Missing"),
        (lambda: RpnBoxLoss()(BOXES, {**BOX_LABELS, "2": BOX_LABELS["2"][..., :4]}), "targets"),
        (lambda: FastrcnnBoxLoss()(ROI_OUTPUTS[..., :7], CLASSES, ROI_TARGETS), "num_classes"),
        (lambda: FastrcnnClassLoss()(CLASS_OUTPUTS[0], CLASSES[0]), "boxes"),
        (lambda: MaskrcnnLoss()(MASK_OUTPUTS, MASK_TARGETS[:, :4], CLASSES), "targets"),
        (lambda: RpnScoreLoss(0), "rpn_batch_size_per_im"),
        (lambda: FastrcnnClassLoss(top_k_percent=20), "fraction"),
    ],
)
def test_what_does_not_fit_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
