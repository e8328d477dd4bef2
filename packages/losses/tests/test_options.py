"""Options that would quietly make another loss are refused, in the class and in the function alike."""

import assay.losses as losses
import numpy as np
import pytest

IDS, LOGITS = np.array([0, 1]), np.array([[0.5, -1.0], [2.0, 0.1]], np.float32)
MAPPING = {0: 1.0, 1: 5.0}
NAN, INFINITY = float("nan"), float("inf")


@pytest.mark.parametrize("weights", [MAPPING, 2.0, [1.0, NAN], [1.0, -1.0], [[1.0, 2.0]], ["a", "b"]])
@pytest.mark.parametrize("loss_class", [losses.CrossEntropyLoss, losses.SegmentationLoss, losses.DiceLoss])
def test_class_weights_that_are_no_numbers_per_class_are_refused(loss_class, weights):
    with pytest.raises(ValueError, match="class_weights"):
        loss_class(class_weights=weights)
    with pytest.raises(ValueError, match="class_weights"):
        losses.softmax_cross_entropy(IDS, LOGITS, class_weights=weights)


def test_class_weights_of_keras_fit_are_told_what_to_do():
    with pytest.raises(ValueError, match="list its values"):
        losses.CrossEntropyLoss(class_weights=MAPPING)


@pytest.mark.parametrize("weights", [[1.0, 5.0], (1, 5), np.array([1.0, 5.0], np.float32)])
def test_class_weights_of_any_sequence_are_the_same(weights):
    loss = losses.CrossEntropyLoss(class_weights=weights)

    assert loss.get_config()["class_weights"] == [1.0, 5.0]


@pytest.mark.parametrize("ignore_label", [1.5, "255", NAN])
def test_label_that_is_no_whole_number_is_refused(ignore_label):
    for loss_class in (losses.CrossEntropyLoss, losses.SigmoidFocalLoss, losses.MaskScoringLoss, losses.TverskyLoss):
        with pytest.raises(ValueError, match="ignore_label"):
            loss_class(ignore_label=ignore_label)


@pytest.mark.parametrize(
    ("make", "option"),
    [
        (lambda: losses.BoxHuberLoss(delta=INFINITY), "delta"),
        (lambda: losses.RpnBoxLoss(INFINITY), "huber_loss_delta"),
        (lambda: losses.FastrcnnBoxLoss(0.0), "huber_loss_delta"),
        (lambda: losses.DistillationLoss(temperature=INFINITY), "temperature"),
        (lambda: losses.SupervisedContrastiveLoss(temperature=0.0), "temperature"),
        (lambda: losses.DiceLoss(smooth=INFINITY), "smooth"),
        (lambda: losses.TverskyLoss(alpha=INFINITY), "alpha"),
        (lambda: losses.SoftmaxFocalLoss(alpha=-1.0), "alpha"),
        (lambda: losses.SoftmaxFocalLoss(alpha=MAPPING), "alpha"),
        (lambda: losses.SoftmaxFocalLoss(gamma=NAN), "gamma"),
        (lambda: losses.RpnScoreLoss(2.5), "rpn_batch_size_per_im"),
        (lambda: losses.RetinaNetLoss(num_classes=2.5), "num_classes"),
        (lambda: losses.RetinaNetLoss(num_classes=0), "num_classes"),
        (lambda: losses.RetinaNetLoss(num_classes=2, box_loss_weight=NAN), "box_loss_weight"),
        (lambda: losses.RetinaNetLoss(num_classes=2, focal_loss_gamma=-1.0), "focal_loss_gamma"),
        (lambda: losses.RetinaNetLoss(num_classes=2, attributes={"depth": "area"}), "depth"),
        (lambda: losses.CrossEntropyLoss(reduction="mean"), "reduction"),
    ],
)
def test_option_out_of_range_is_named(make, option):
    with pytest.raises(ValueError, match=option):
        make()


def test_factor_of_a_numpy_type_is_a_factor():
    loss = losses.SoftmaxFocalLoss(alpha=np.float32(0.5), reduction="none")

    np.testing.assert_allclose(loss(IDS, LOGITS), 0.5 * losses.softmax_focal_loss(IDS, LOGITS), rtol=1e-6)


def test_factors_of_the_wrong_number_are_called_what_they_are():
    with pytest.raises(ValueError, match="`alpha` must hold one number per class"):
        losses.softmax_focal_loss(IDS, LOGITS, alpha=[1.0, 2.0, 3.0])


SCORES, ANCHOR_LABELS = {"3": np.zeros((1, 2, 2, 1), np.float32)}, {"3": np.ones((1, 2, 2, 1), np.int32)}
ROIS, ROI_IDS = np.zeros((1, 2, 8), np.float32), np.array([[1, 0]])
MASKS = np.zeros((1, 2, 3, 3), np.float32)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: losses.RpnScoreLoss()(ANCHOR_LABELS, SCORES), "outputs come first"),
        (lambda: losses.RpnScoreLoss()(SCORES["3"], ANCHOR_LABELS["3"]), "mapping of levels"),
        (lambda: losses.RpnBoxLoss()({}, {}), "levels"),
        (lambda: losses.FastrcnnBoxLoss()(ROIS, ROI_IDS), "needs box_targets"),
        (lambda: losses.FastrcnnBoxLoss()(ROIS, ROI_IDS[:, :1], ROIS[..., :4]), "class_targets"),
        (lambda: losses.FastrcnnBoxLoss()(ROIS, {"class_targets": ROI_IDS}), "needs box_targets"),
        (lambda: losses.MaskrcnnLoss()(MASKS, MASKS), "needs select_class_targets"),
        (lambda: losses.MaskrcnnLoss()(MASKS[0], MASKS[0], ROI_IDS), "mask_outputs"),
        (lambda: losses.MaskrcnnLoss()(MASKS, MASKS, ROI_IDS[0]), "select_class_targets"),
        (lambda: losses.MaskScoringLoss()(np.zeros((1, 2, 2)), np.zeros((1, 3))), "mapping with labels, logits"),
        (lambda: losses.MaskScoringLoss()({"labels": np.zeros((1, 2, 2))}, np.zeros((1, 3))), "needs logits"),
        (lambda: losses.RetinaNetLoss(num_classes=2)(SCORES["3"], SCORES["3"]), "needs a mapping"),
    ],
)
def test_arguments_that_are_missing_or_mixed_up_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_attributes_that_are_missing_are_named():
    labels = {
        "cls_targets": np.array([[1]]),
        "box_targets": np.zeros((1, 1, 4), np.float32),
        "cls_weights": np.ones((1, 1), np.float32),
        "box_weights": np.ones((1, 1), np.float32),
    }
    outputs = {"cls_outputs": np.zeros((1, 1, 2), np.float32), "box_outputs": np.zeros((1, 1, 4), np.float32)}
    loss = losses.RetinaNetLoss(num_classes=2, attributes={"depth": "regression"})

    with pytest.raises(ValueError, match="needs attribute_targets"):
        loss(labels, outputs)
    with pytest.raises(ValueError, match="needs depth"):
        loss(labels | {"attribute_targets": {"size": 1}}, outputs | {"attribute_outputs": {"depth": 1}})
