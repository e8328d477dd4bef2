"""The control group of the rules for Keras metrics: every built-in metric of a flavour, with a sample that fits it."""

from collections.abc import Callable
from typing import Any

import numpy as np
from assay.conformance import Kind, Subject

ROWS = 6

_random = np.random.default_rng(11)
_TARGETS = _random.normal(size=(ROWS, 3)).astype(np.float32)
_NUMBERS = (_TARGETS, (_TARGETS + 0.5 * _random.normal(size=(ROWS, 3))).astype(np.float32))
_RATES = tuple(_random.uniform(0.5, 4.0, size=(ROWS, 3)).astype(np.float32) for _ in range(2))
_SIGNS = (np.sign(_TARGETS).astype(np.float32), _NUMBERS[1])
_VALUES = (np.zeros((ROWS,), np.float32), _random.uniform(0.5, 4.0, size=(ROWS,)).astype(np.float32))
_LOGITS = (2.0 * _random.normal(size=(ROWS, 3))).astype(np.float32)
_BITS = (_random.uniform(size=(ROWS, 3)) < 0.5).astype(np.float32)
_BITS[0] = 1.0  # some row has more than one, so that the rows are not taken for one-hot
_SIGMOIDS = (1 / (1 + np.exp(-_LOGITS))).astype(np.float32)
_SCORED = (np.array([0, 1, 1, 0, 1, 0], np.float32), np.array([0.1, 0.8, 0.4, 0.6, 0.7, 0.3], np.float32))
_IDS = np.array([0, 1, 2, 1, 0, 2], np.int32)
_FOUND = np.array([0, 2, 2, 1, 1, 2], np.int32)
_ONE_HOT = np.eye(3, dtype=np.float32)[_IDS]
_SOFTMAX = (np.exp(_LOGITS) / np.exp(_LOGITS).sum(axis=-1, keepdims=True)).astype(np.float32)
_SIMPLEXES = (np.roll(_SOFTMAX, 1, axis=0), _SOFTMAX)
_UNIT = tuple((rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32) for rows in _NUMBERS)
_SHARE = {"bounds": (0.0, 1.0), "best": 1.0}
_IN_BOUNDS = {"bounds": (0.0, 1.0)}
_ZERO = {"best": 0.0}

Options = dict[str, Any] | Callable[[Any], dict[str, Any]]

CASES: dict[str, tuple[str, Options, Any, dict[str, Any]]] = {
    "Accuracy": ("Accuracy", {}, (_IDS, _FOUND), _IN_BOUNDS),
    "BinaryAccuracy": ("BinaryAccuracy", {"threshold": 0.4}, (_BITS, _SIGMOIDS), _SHARE),
    "CategoricalAccuracy": ("CategoricalAccuracy", {}, (_ONE_HOT, _SOFTMAX), _SHARE),
    "SparseCategoricalAccuracy": ("SparseCategoricalAccuracy", {}, (_IDS, _SOFTMAX), _SHARE),
    "TopKCategoricalAccuracy": ("TopKCategoricalAccuracy", {"k": 2}, (_ONE_HOT, _SOFTMAX), _IN_BOUNDS),
    "SparseTopKCategoricalAccuracy": ("SparseTopKCategoricalAccuracy", {"k": 2}, (_IDS, _SOFTMAX), _IN_BOUNDS),
    "TruePositives": ("TruePositives", {}, _SCORED, {}),
    "TrueNegatives": ("TrueNegatives", {}, _SCORED, {}),
    "FalsePositives": ("FalsePositives", {"thresholds": [0.3, 0.6]}, _SCORED, {}),
    "FalseNegatives": ("FalseNegatives", {}, _SCORED, {}),
    "Precision": ("Precision", {"thresholds": 0.4}, _SCORED, _SHARE),
    "Precision top k": ("Precision", {"top_k": 2}, (_ONE_HOT, _SOFTMAX), _IN_BOUNDS),
    "Recall": ("Recall", {}, _SCORED, _SHARE),
    "Recall of a class": ("Recall", {"class_id": 1}, (_ONE_HOT, _SOFTMAX), _SHARE),
    "SensitivityAtSpecificity": ("SensitivityAtSpecificity", {"specificity": 0.5}, _SCORED, _SHARE),
    "SpecificityAtSensitivity": ("SpecificityAtSensitivity", {"sensitivity": 0.5}, _SCORED, _SHARE),
    "PrecisionAtRecall": ("PrecisionAtRecall", {"recall": 0.5}, _SCORED, _SHARE),
    "RecallAtPrecision": ("RecallAtPrecision", {"precision": 0.5}, _SCORED, _SHARE),
    "AUC": ("AUC", {"num_thresholds": 50}, _SCORED, _SHARE),
    "AUC PR": ("AUC", {"num_thresholds": 50, "curve": "PR"}, _SCORED, _SHARE),
    "AUC multi-label": ("AUC", {"multi_label": True, "num_labels": 3}, (_BITS, _SIGMOIDS), _SHARE),
    "F1Score": ("F1Score", {}, (_ONE_HOT, _SOFTMAX), _IN_BOUNDS),
    "FBetaScore": (
        "FBetaScore",
        {"beta": 2.0, "threshold": 0.5, "average": "macro"},
        (_BITS, _SIGMOIDS),
        _IN_BOUNDS,
    ),
    "R2Score": ("R2Score", {}, _NUMBERS, {"best": 1.0}),
    "ConcordanceCorrelation": ("ConcordanceCorrelation", {}, _NUMBERS, {"bounds": (-1.0, 1.0)}),
    "PearsonCorrelation": ("PearsonCorrelation", {}, _NUMBERS, {"bounds": (-1.0, 1.0)}),
    "IoU": ("IoU", {"num_classes": 3, "target_class_ids": [1, 2]}, (_IDS, _FOUND), _IN_BOUNDS),
    "BinaryIoU": ("BinaryIoU", {"threshold": 0.4}, (_BITS, _SIGMOIDS), _SHARE),
    "MeanIoU": ("MeanIoU", {"num_classes": 3}, (_IDS, _FOUND), _IN_BOUNDS),
    "MeanIoU ignoring": (
        "MeanIoU",
        {"num_classes": 3, "ignore_class": 255},
        (np.where(np.arange(ROWS) == 2, 255, _IDS).astype(np.int32), _FOUND),
        {**_IN_BOUNDS, "ignore_label": 255},
    ),
    "OneHotIoU": ("OneHotIoU", {"num_classes": 3, "target_class_ids": [0, 2]}, (_ONE_HOT, _SOFTMAX), _SHARE),
    "OneHotMeanIoU": (
        "OneHotMeanIoU",
        {"num_classes": 3},
        (_ONE_HOT, _SOFTMAX),
        {**_SHARE, "absent_class": "excluded"},
    ),
    "BinaryCrossentropy": ("BinaryCrossentropy", {}, (_BITS, _SIGMOIDS), {}),
    "BinaryCrossentropy logits": ("BinaryCrossentropy", {"from_logits": True}, (_BITS, _LOGITS), {}),
    "CategoricalCrossentropy": ("CategoricalCrossentropy", {"label_smoothing": 0.1}, (_ONE_HOT, _SOFTMAX), {}),
    "SparseCategoricalCrossentropy": (
        "SparseCategoricalCrossentropy",
        {"from_logits": True},
        (_IDS, _LOGITS),
        {},
    ),
    "KLDivergence": ("KLDivergence", {}, _SIMPLEXES, _ZERO),
    "Poisson": ("Poisson", {}, _RATES, {}),
    "MeanSquaredError": ("MeanSquaredError", {}, _NUMBERS, _ZERO),
    "RootMeanSquaredError": ("RootMeanSquaredError", {}, _NUMBERS, _ZERO),
    "MeanAbsoluteError": ("MeanAbsoluteError", {}, _NUMBERS, _ZERO),
    "MeanAbsolutePercentageError": ("MeanAbsolutePercentageError", {}, _RATES, _ZERO),
    "MeanSquaredLogarithmicError": ("MeanSquaredLogarithmicError", {}, _RATES, _ZERO),
    "LogCoshError": ("LogCoshError", {}, _NUMBERS, _ZERO),
    "CosineSimilarity": ("CosineSimilarity", {}, _UNIT, {"best": 1.0, "bounds": (-1.0, 1.0)}),
    "MeanRelativeError": ("MeanRelativeError", {"normalizer": [1.0, 2.0, 4.0]}, _NUMBERS, _ZERO),
    "Hinge": ("Hinge", {}, _SIGNS, {}),
    "SquaredHinge": ("SquaredHinge", {}, _SIGNS, {}),
    "CategoricalHinge": ("CategoricalHinge", {}, (_ONE_HOT, _NUMBERS[1]), {}),
    "Mean": ("Mean", {}, _VALUES, {}),
    "Sum": ("Sum", {}, _VALUES, {}),
    "MeanMetricWrapper": (
        "MeanMetricWrapper",
        lambda keras: {"fn": keras.losses.mean_absolute_error},
        _NUMBERS,
        _ZERO,
    ),
}
"""By name: the class, its arguments (or what makes them of the flavour), the sample, the traits.

MeanTensor of tf_keras is left out: its batch is a part of its result, so that nothing can be split or left out.
"""


REPRESENTATIVE = (
    "BinaryAccuracy",
    "SparseCategoricalAccuracy",
    "TruePositives",
    "Precision",
    "AUC",
    "F1Score",
    "R2Score",
    "MeanIoU",
    "OneHotMeanIoU",
    "SparseCategoricalCrossentropy",
    "RootMeanSquaredError",
    "CosineSimilarity",
    "Sum",
)
"""What is checked at each run of the tests: one or two of each family."""

_LATE = ("F1Score", "FBetaScore", "R2Score")
_AVERAGES = (
    "BinaryCrossentropy",
    "BinaryCrossentropy logits",
    "CategoricalCrossentropy",
    "SparseCategoricalCrossentropy",
    "KLDivergence",
    "Poisson",
    "MeanSquaredError",
    "RootMeanSquaredError",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanSquaredLogarithmicError",
    "LogCoshError",
    "CosineSimilarity",
    "MeanRelativeError",
    "Hinge",
    "SquaredHinge",
    "CategoricalHinge",
    "Mean",
    "Sum",
    "MeanMetricWrapper",
)
_COMPARES_WITH_NAN = (
    "BinaryAccuracy",
    "CategoricalAccuracy",
    "SparseCategoricalAccuracy",
    "TrueNegatives",
    "FalsePositives",
    "Precision",
    "Precision top k",
    "SpecificityAtSensitivity",
    "PrecisionAtRecall",
    "AUC PR",
    "FBetaScore",
    "BinaryIoU",
    "OneHotIoU",
    "OneHotMeanIoU",
)

_MATRICES = ("IoU", "BinaryIoU", "MeanIoU", "MeanIoU ignoring", "OneHotIoU", "OneHotMeanIoU")

FINDINGS: dict[str, dict[str, tuple[str, ...]]] = {
    "keras": {
        "K102": _LATE,
        "K204": (*_AVERAGES, "R2Score", "ConcordanceCorrelation", "PearsonCorrelation"),
        "K206": _MATRICES,
        "K303": _COMPARES_WITH_NAN,
        "K401": _LATE,
    },
    "tf_keras": {
        "K102": _LATE,
        "K204": (*_AVERAGES, "R2Score"),
        "K303": _COMPARES_WITH_NAN,
    },
}
"""The MUST rules that built-in metrics break, confirmed by hand; `docs/findings.md` has a reproduction of each."""

ADVICE: dict[str, dict[str, tuple[str, ...]]] = {
    # Confusion matrices of Keras 3 hold integers, and a sum of numbers counts nothing.
    "keras": {"K302": tuple(name for name in CASES if name not in (*_MATRICES, "Sum", "MeanRelativeError"))},
    "tf_keras": {"K302": tuple(name for name in CASES if name != "Sum")},
}
"""The SHOULD rules that they break: in both flavours nearly all count in float32."""


def findings_of(flavour: str, name: str) -> set[str]:
    """The MUST rules that a built-in metric is known to break."""
    return {rule for rule, names in FINDINGS[flavour].items() if name in names}


def advice_of(flavour: str, name: str) -> set[str]:
    """The SHOULD rules that a built-in metric is known to break."""
    return {rule for rule, names in ADVICE[flavour].items() if name in names}


def control_subjects(keras: Any) -> list[Subject]:
    """The built-in metrics of a Keras flavour; those that it does not have are left out."""
    subjects = []
    for name, (cls, options, sample, traits) in CASES.items():
        if hasattr(keras.metrics, cls):
            arguments = options(keras) if callable(options) else options
            factory = _factory(keras, cls, arguments)
            subjects.append(Subject(factory, sample, kind=Kind.KERAS_METRIC, traits=traits, name=name))
    return subjects


def _factory(keras: Any, cls: str, options: dict[str, Any]) -> Any:
    return lambda: getattr(keras.metrics, cls)(**options)
