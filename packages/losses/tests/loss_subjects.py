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
        **IGNORES,
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
]
