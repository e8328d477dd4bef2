"""The twins that the rules for Keras metrics share."""

from __future__ import annotations

from typing import Any

import numpy as np
from assay.conformance.model.kinds import Kind
from assay.conformance.model.subject import Subject
from assay.conformance.specimens.keras_metrics import SoundDeviation, SoundHitRate, SoundIgnoringHitRate, SoundIoU
from assay.conformance.specimens.loss import NUM_CLASSES, number_sample

_SHARE = {"bounds": (0.0, 1.0), "best": 1.0}


def score_sample() -> tuple[np.ndarray, np.ndarray]:
    """Return class ids `[6]` and scores `[6, 4]`, of which rows 0, 1 and 4 are hits."""
    random = np.random.default_rng(0)
    labels = np.array([0, 1, 2, 3, 1, 0], np.int32)
    predicted = np.array([0, 1, 0, 1, 1, 2])
    noise = 0.2 * random.normal(size=(len(labels), NUM_CLASSES))
    return labels, (3.0 * np.eye(NUM_CLASSES)[predicted] - 1.0 + noise).astype(np.float32)


def _hits(y_true: Any, y_pred: Any) -> float:
    return float(np.mean(np.argmax(y_pred, axis=-1) == y_true)) if len(y_true) else 0.0


def _scaled_deviation() -> SoundDeviation:
    return SoundDeviation(scale=2.0)


HIT_RATE = Subject(
    SoundHitRate,
    score_sample(),
    kind=Kind.KERAS_METRIC,
    traits={**_SHARE, "reference": _hits},
    name="sound hit rate",
)
"""A counter: class ids and scores."""

DEVIATION = Subject(
    _scaled_deviation, number_sample(), kind=Kind.KERAS_METRIC, traits={"best": 0.0}, name="sound deviation"
)
"""A mean of numbers, with an option that is not the default."""

IOU = Subject(
    SoundIoU,
    score_sample(),
    kind=Kind.KERAS_METRIC,
    traits={"bounds": (0.0, 1.0), "absent_class": "excluded"},
    name="sound IoU",
)
"""A confusion matrix and a dict for a result."""

IGNORING_HIT_RATE = Subject(
    SoundIgnoringHitRate,
    score_sample(),
    kind=Kind.KERAS_METRIC,
    traits={**_SHARE, "ignore_label": 255},
    name="sound hit rate without ignored labels",
)
"""A counter that ignores a label."""

KERAS_METRIC_SPECIMENS = (HIT_RATE, DEVIATION, IOU, IGNORING_HIT_RATE)
"""Every sound Keras metric."""
