"""Every loss of the package as a subject of the conformance suite: how it is made, a sample, and its traits.

`assay check packages/losses/tests/loss_subjects.py:SUBJECTS` runs the whole matrix in one flavour of Keras.
"""

from functools import partial

import assay.losses as losses
import numpy as np
from assay.conformance import Subject

RANDOM = np.random.default_rng(3)
ROWS = 6
IDS = np.array([0, 1, 2, 2, 1, 0], np.int32)
IGNORING = np.array([0, 1, 255, 2, 1, 0], np.int32)
LOGITS = RANDOM.normal(size=(ROWS, 3)).astype(np.float32)
PROBABILITIES = (np.exp(LOGITS) / np.exp(LOGITS).sum(-1, keepdims=True)).astype(np.float32)
BITS = np.array([[1, 1, 0], [0, 0, 0], [0, 1, 0], [1, 0, 1], [1, 1, 1], [0, 0, 1]], np.float32)
SOFT_BITS = np.clip(BITS, 0.1, 0.8)
IGNORES = {"ignore_label": 255, "normaliser": "valid"}
LABEL_MAPS = RANDOM.integers(0, 3, (4, 2, 3)).astype(np.int32)
LABEL_MAPS[1, 0, 1] = LABEL_MAPS[2, 1] = 255
PIXELS = RANDOM.normal(size=(4, 2, 3, 3)).astype(np.float32)
MATTING = RANDOM.uniform(0.1, 0.9, (4, 2, 3)).astype(np.float32)
SCORED = {"labels": LABEL_MAPS[:, :, :], "logits": PIXELS}
SCORES = RANDOM.uniform(0.1, 0.9, (4, 3)).astype(np.float32)
CORNERS = RANDOM.uniform(0.0, 1.0, (2, ROWS, 2))
BOXES = np.concatenate([CORNERS, CORNERS + RANDOM.uniform(1.0, 2.0, (2, ROWS, 2))], -1).astype(np.float32)
OFFSETS = RANDOM.normal(size=(2, ROWS, 3, 4)).astype(np.float32) / 2
ANCHOR_LABELS = {
    "cls_targets": RANDOM.integers(-1, 3, (ROWS, 5)).astype(np.int32),
    "box_targets": RANDOM.normal(size=(ROWS, 5, 4)).astype(np.float32),
    "cls_weights": np.float32([[1, 1, 1, 1, 0]] * ROWS),
    "box_weights": np.float32([[1, 0, 1, 0, 0]] * ROWS),
}
ANCHOR_OUTPUTS = {
    "cls_outputs": RANDOM.normal(size=(ROWS, 5, 3)).astype(np.float32),
    "box_outputs": RANDOM.normal(size=(ROWS, 5, 4)).astype(np.float32),
}
ANCHOR_DOMAINS = {
    "y_true/cls_targets": "class_ids",
    "y_true/cls_weights": "fixed",
    "y_true/box_weights": "fixed",
    "y_pred/cls_outputs": "logits",
    "y_pred/box_outputs": "real",
}
PIXEL_PROBABILITIES = (np.exp(PIXELS) / np.exp(PIXELS).sum(-1, keepdims=True)).astype(np.float32)
TEACHER = RANDOM.normal(size=(ROWS, 3)).astype(np.float32)
EMBEDDINGS = RANDOM.normal(size=(ROWS, 4)).astype(np.float32)
PER_IMAGE = {"ignore_label": 255, "normaliser": "elements"}
OUTPUTS_FIRST = {"arguments": ("y_pred", "y_true")}
RPN_LABELS = {"3": RANDOM.integers(-1, 2, (ROWS, 1, 2, 2)).astype(np.int32)}
RPN_SCORES = {"3": RANDOM.normal(size=(ROWS, 1, 2, 2)).astype(np.float32)}
RPN_BOXES = tuple({"3": RANDOM.normal(size=(ROWS, 1, 2, 8)).astype(np.float32)} for _ in range(2))
ROI_CLASSES = np.array([[1, 0, 2], [2, 1, 0], [1, 1, 1], [2, 2, 0], [1, 2, 1], [2, 1, 2]], np.int32)
ROI_LOGITS = RANDOM.normal(size=(ROWS, 3, 3)).astype(np.float32)
ROI_BOXES = RANDOM.normal(size=(ROWS, 3, 12)).astype(np.float32)
ROI_LABELS = {"class_targets": ROI_CLASSES, "box_targets": RANDOM.normal(size=(ROWS, 3, 4)).astype(np.float32)}
ROI_DOMAINS = {"y_true/class_targets": "fixed", "y_true/box_targets": "real", "y_pred": "real"}
MASK_LOGITS = RANDOM.normal(size=(ROWS, 3, 2, 2)).astype(np.float32)
MASK_LABELS = {
    "mask_targets": RANDOM.integers(0, 2, (ROWS, 3, 2, 2)).astype(np.float32),
    "select_class_targets": ROI_CLASSES,
}
MASK_DOMAINS = {"y_true/select_class_targets": "fixed", "y_true/mask_targets": "binary", "y_pred": "logits"}


def subject(name, factory, sample, **traits):
    """A subject of the kind loss."""
    return Subject(factory, sample, kind="loss", name=name, traits={"non_negative": True, **traits})


SUBJECTS = [
    subject("CrossEntropyLoss", partial(losses.CrossEntropyLoss, label_smoothing=0.1), (IDS, LOGITS)),
    subject(
        "CrossEntropyLoss ignoring", lambda: losses.CrossEntropyLoss(ignore_label=255), (IGNORING, LOGITS), **IGNORES
    ),
    subject("SigmoidCrossEntropyLoss", losses.SigmoidCrossEntropyLoss, (BITS, LOGITS)),
    subject("SigmoidFocalLoss", partial(losses.SigmoidFocalLoss, gamma=1.5), (BITS, LOGITS)),
    subject("SigmoidFocalLoss soft", partial(losses.SigmoidFocalLoss, gamma=0.5), (SOFT_BITS, LOGITS)),
    subject(
        "SigmoidFocalLoss probabilities", lambda: losses.SigmoidFocalLoss(from_logits=False), (BITS, PROBABILITIES)
    ),
    subject("SoftmaxFocalLoss", lambda: losses.SoftmaxFocalLoss(gamma=0.5), (IDS, LOGITS)),
    subject(
        "SoftmaxFocalLoss ignoring", lambda: losses.SoftmaxFocalLoss(ignore_label=255), (IGNORING, LOGITS), **IGNORES
    ),
    subject("SoftmaxFocalLoss probabilities", lambda: losses.SoftmaxFocalLoss(from_logits=False), (IDS, PROBABILITIES)),
    subject("SegmentationLoss", losses.SegmentationLoss, (LABEL_MAPS, PIXELS), **IGNORES),
    subject(
        "SegmentationLoss mining",
        lambda: losses.SegmentationLoss(top_k_percent_pixels=0.5, class_weights=[0.5, 1.0, 2.0]),
        (LABEL_MAPS, PIXELS),
        **PER_IMAGE,
    ),
    subject("SegmentationLoss resizing", losses.SegmentationLoss, (LABEL_MAPS, PIXELS[:, :1, :2]), **IGNORES),
    subject(
        "SegmentationLoss binary",
        lambda: losses.SegmentationLoss(use_binary_cross_entropy=True),
        (LABEL_MAPS, PIXELS),
        **IGNORES,
    ),
    subject(
        "SegmentationLoss matting",
        lambda: losses.SegmentationLoss(gt_is_matting_map=True, ignore_label=None),
        (MATTING, PIXELS[..., :2]),
        domain="logits",
    ),
    subject("MaskScoringLoss", losses.MaskScoringLoss, (SCORED, SCORES), domain={"y_true/labels": "class_ids"}),
    subject("BoxHuberLoss", losses.BoxHuberLoss, tuple(OFFSETS), zero_at_target=True),
    *(
        subject(cls.__name__, cls, tuple(BOXES), zero_at_target=True, domain={"y_true": "boxes", "y_pred": "boxes"})
        for cls in (losses.IoULoss, losses.GIoULoss, losses.DIoULoss)
    ),
    subject("CIoULoss", losses.CIoULoss, tuple(BOXES), zero_at_target=True, stopped_gradient=True, domain="boxes"),
    subject(
        "RetinaNetLoss",
        lambda: losses.RetinaNetLoss(num_classes=3, box_loss_weight=2.0),
        (ANCHOR_LABELS, ANCHOR_OUTPUTS),
        domain=ANCHOR_DOMAINS,
    ),
    subject("DiceLoss", lambda: losses.DiceLoss(ignore_label=255), (LABEL_MAPS, PIXELS), **PER_IMAGE),
    subject(
        "DiceLoss soft",
        lambda: losses.DiceLoss(activation="sigmoid", squared=True),
        (MATTING[..., np.newaxis] * [1.0, 0.5, 0.9], PIXELS),
    ),
    subject("TverskyLoss", lambda: losses.TverskyLoss(ignore_label=255), (LABEL_MAPS, PIXELS), **PER_IMAGE),
    subject("LovaszSoftmaxLoss", lambda: losses.LovaszSoftmaxLoss(ignore_label=255), (LABEL_MAPS, PIXELS), **PER_IMAGE),
    subject(
        "LovaszSoftmaxLoss probabilities",
        lambda: losses.LovaszSoftmaxLoss(from_logits=False, ignore_label=255),
        (LABEL_MAPS, PIXEL_PROBABILITIES),
        **PER_IMAGE,
    ),
    subject(
        "DistillationLoss",
        lambda: losses.DistillationLoss(temperature=2.0),
        (TEACHER, LOGITS),
        zero_at_target=True,
        domain={"y_true": "real", "y_pred": "real"},
    ),
    subject(
        "SupervisedContrastiveLoss",
        lambda: losses.SupervisedContrastiveLoss(temperature=0.5),
        (IDS, EMBEDDINGS),
        mixes_examples=True,
        normaliser="valid",
        domain="real",
    ),
    subject(
        "RpnScoreLoss",
        lambda: losses.RpnScoreLoss(4),
        (RPN_LABELS, RPN_SCORES),
        domain={"y_true/3": "fixed", "y_pred/3": "logits"},
        **OUTPUTS_FIRST,
    ),
    subject("RpnBoxLoss", losses.RpnBoxLoss, RPN_BOXES, **OUTPUTS_FIRST),
    subject("FastrcnnClassLoss", losses.FastrcnnClassLoss, (ROI_CLASSES, ROI_LOGITS), **OUTPUTS_FIRST),
    subject(
        "FastrcnnClassLoss mining",
        lambda: losses.FastrcnnClassLoss(top_k_percent=0.5),
        (ROI_CLASSES, ROI_LOGITS),
        **OUTPUTS_FIRST,
    ),
    subject("FastrcnnBoxLoss", losses.FastrcnnBoxLoss, (ROI_LABELS, ROI_BOXES), domain=ROI_DOMAINS, **OUTPUTS_FIRST),
    subject("MaskrcnnLoss", losses.MaskrcnnLoss, (MASK_LABELS, MASK_LOGITS), domain=MASK_DOMAINS, **OUTPUTS_FIRST),
]
