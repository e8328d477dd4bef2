"""The control group of the rules for losses: every built-in loss of a Keras flavour, with a sample that it is for."""

import functools
from typing import Any

import numpy as np
from assay.conformance import Subject

ROWS = 6

_random = np.random.default_rng(7)
_TARGETS = _random.normal(size=(ROWS, 3)).astype(np.float32)
_NUMBERS = (_TARGETS, (_TARGETS + _random.normal(size=(ROWS, 3))).astype(np.float32))
_RATES = tuple(_random.uniform(0.5, 4.0, size=(ROWS, 3)).astype(np.float32) for _ in range(2))
_SIGNS = (np.sign(_TARGETS).astype(np.float32), _NUMBERS[1])
_BITS = (_random.uniform(size=(ROWS, 3)) < 0.5).astype(np.float32)
_BITS[0] = 1.0  # some row has more than one, so that the rows are not taken for one-hot
_LOGITS = _random.normal(size=(ROWS, 3)).astype(np.float32)
_SIGMOIDS = (1 / (1 + np.exp(-_LOGITS))).astype(np.float32)
_IDS = np.array([0, 1, 2, 1, 0, 2], np.int32)
_ONE_HOT = np.eye(3, dtype=np.float32)[_IDS]
_SOFTMAX = (np.exp(_LOGITS) / np.exp(_LOGITS).sum(axis=-1, keepdims=True)).astype(np.float32)
_SIMPLEXES = (np.roll(_SOFTMAX, 1, axis=0), _SOFTMAX)
_UNIT = tuple((rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32) for rows in _NUMBERS)
_MIXES = {"mixes_examples": True}
_ZERO = {"zero_at_target": True}

CASES: dict[str, tuple[str, dict[str, Any], Any, dict[str, Any]]] = {
    "MeanSquaredError": ("MeanSquaredError", {}, _NUMBERS, _ZERO),
    "MeanAbsoluteError": ("MeanAbsoluteError", {}, _NUMBERS, _ZERO),
    "MeanAbsolutePercentageError": ("MeanAbsolutePercentageError", {}, _NUMBERS, _ZERO),
    "MeanSquaredLogarithmicError": ("MeanSquaredLogarithmicError", {}, _RATES, _ZERO),
    "Huber": ("Huber", {"delta": 0.7}, _NUMBERS, _ZERO),
    "LogCosh": ("LogCosh", {}, _NUMBERS, _ZERO),
    "CosineSimilarity": ("CosineSimilarity", {}, _UNIT, {}),
    "Poisson": ("Poisson", {}, _RATES, {}),
    "KLDivergence": ("KLDivergence", {}, _SIMPLEXES, _ZERO),
    "Hinge": ("Hinge", {}, _SIGNS, {"non_negative": True}),
    "SquaredHinge": ("SquaredHinge", {}, _SIGNS, {"non_negative": True}),
    "CategoricalHinge": ("CategoricalHinge", {}, (_ONE_HOT, _NUMBERS[1]), {"non_negative": True}),
    "BinaryCrossentropy": ("BinaryCrossentropy", {}, (_BITS, _SIGMOIDS), {}),
    "BinaryCrossentropy logits": ("BinaryCrossentropy", {"from_logits": True}, (_BITS, _LOGITS), {}),
    "BinaryCrossentropy smoothed": (
        "BinaryCrossentropy",
        {"from_logits": True, "label_smoothing": 0.1},
        (_BITS, _LOGITS),
        {},
    ),
    "BinaryFocalCrossentropy": ("BinaryFocalCrossentropy", {}, (_BITS, _SIGMOIDS), {}),
    "BinaryFocalCrossentropy logits": ("BinaryFocalCrossentropy", {"from_logits": True}, (_BITS, _LOGITS), {}),
    "CategoricalCrossentropy": ("CategoricalCrossentropy", {}, (_ONE_HOT, _SOFTMAX), {}),
    "CategoricalCrossentropy logits": ("CategoricalCrossentropy", {"from_logits": True}, (_ONE_HOT, _LOGITS), {}),
    "CategoricalCrossentropy smoothed": (
        "CategoricalCrossentropy",
        {"from_logits": True, "label_smoothing": 0.1},
        (_ONE_HOT, _LOGITS),
        {},
    ),
    "CategoricalFocalCrossentropy": ("CategoricalFocalCrossentropy", {}, (_ONE_HOT, _SOFTMAX), {}),
    "CategoricalFocalCrossentropy logits": (
        "CategoricalFocalCrossentropy",
        {"from_logits": True},
        (_ONE_HOT, _LOGITS),
        {},
    ),
    "SparseCategoricalCrossentropy": ("SparseCategoricalCrossentropy", {}, (_IDS, _SOFTMAX), {}),
    "SparseCategoricalCrossentropy logits": (
        "SparseCategoricalCrossentropy",
        {"from_logits": True},
        (_IDS, _LOGITS),
        {},
    ),
    "SparseCategoricalCrossentropy ignoring": (
        "SparseCategoricalCrossentropy",
        {"from_logits": True, "ignore_class": 255},
        (np.where(np.arange(ROWS) == 2, 255, _IDS).astype(np.int32), _LOGITS),
        {"ignore_label": 255, "normaliser": "valid"},
    ),
    "CategoricalGeneralizedCrossEntropy": ("CategoricalGeneralizedCrossEntropy", {}, (_IDS, _SOFTMAX), {}),
    "Dice": ("Dice", {}, (_BITS, _SIGMOIDS), _MIXES),
    "Tversky": ("Tversky", {}, (_BITS, _SIGMOIDS), _MIXES),
    # Divides by the number of examples that have another one of their class in the batch.
    "Circle": ("Circle", {}, (_IDS, _UNIT[1]), {**_MIXES, "normaliser": "valid"}),
    "CTC": (
        "CTC",
        {},
        (np.array([[1, 2, 0]] * ROWS, np.int32), _random.normal(size=(ROWS, 8, 4)).astype(np.float32)),
        {},
    ),
}
"""By name: the class or function, its arguments, the sample, the traits."""

FUNCTIONS = {
    "mean_squared_error": ("MeanSquaredError", {}),
    "mean_absolute_error": ("MeanAbsoluteError", {}),
    "mean_absolute_percentage_error": ("MeanAbsolutePercentageError", {}),
    "mean_squared_logarithmic_error": ("MeanSquaredLogarithmicError", {}),
    "huber": ("Huber", {"delta": 0.7}),
    "log_cosh": ("LogCosh", {}),
    "cosine_similarity": ("CosineSimilarity", {}),
    "poisson": ("Poisson", {}),
    "kl_divergence": ("KLDivergence", {}),
    "hinge": ("Hinge", {}),
    "squared_hinge": ("SquaredHinge", {}),
    "categorical_hinge": ("CategoricalHinge", {}),
    "binary_crossentropy": ("BinaryCrossentropy logits", {"from_logits": True}),
    "binary_focal_crossentropy": ("BinaryFocalCrossentropy", {}),
    "categorical_crossentropy": ("CategoricalCrossentropy logits", {"from_logits": True}),
    "categorical_focal_crossentropy": ("CategoricalFocalCrossentropy", {}),
    "sparse_categorical_crossentropy": ("SparseCategoricalCrossentropy logits", {"from_logits": True}),
    "categorical_generalized_cross_entropy": ("CategoricalGeneralizedCrossEntropy", {"q": 0.5}),
    "dice": ("Dice", {}),
    "tversky": ("Tversky", {}),
    "circle": ("Circle", {}),
    "ctc": ("CTC", {}),
}
"""The built-in functions: the case whose sample and traits each takes, and its arguments."""

CASES |= {name: (name, options, *CASES[case][2:]) for name, (case, options) in FUNCTIONS.items()}

_COUPLED = ("Dice", "Tversky", "Circle")
_SINGLE = tuple(name for name in CASES if name not in (*_COUPLED, *FUNCTIONS))
_UNALIGNED = ("poisson", "hinge", "squared_hinge")
_FROM_PROBABILITIES = (
    "categorical_focal_crossentropy",
    "BinaryCrossentropy",
    "CategoricalCrossentropy",
    "CategoricalFocalCrossentropy",
    "CategoricalFocalCrossentropy logits",  # through a softmax
    "SparseCategoricalCrossentropy",
)

FINDINGS: dict[str, dict[str, tuple[str, ...]]] = {
    "keras": {
        "L002": ("Huber",),
        "L103": tuple(name for name in FUNCTIONS if name not in ("mean_squared_logarithmic_error", "ctc")),
        "L104": (
            *_UNALIGNED,
            "dice",
            "tversky",
            "CategoricalGeneralizedCrossEntropy",
            "categorical_generalized_cross_entropy",
        ),
        "L105": _SINGLE,
        "L108": ("kl_divergence", "binary_focal_crossentropy"),
        "L206": _SINGLE,
        "L302": ("CategoricalGeneralizedCrossEntropy", "categorical_generalized_cross_entropy"),
        "L305": (
            *_FROM_PROBABILITIES,
            "CategoricalGeneralizedCrossEntropy",
            "categorical_generalized_cross_entropy",
        ),
        "L502": _SINGLE,
    },
    "tf_keras": {
        "L103": tuple(
            name
            for name in (*_SINGLE, *FUNCTIONS)
            if name not in ("Huber", "huber", "CosineSimilarity", "cosine_similarity")
        ),
        "L104": (
            *_UNALIGNED,
            "mean_squared_error",
            "mean_absolute_error",
            "mean_absolute_percentage_error",
            "mean_squared_logarithmic_error",
            "huber",
            "log_cosh",
            "binary_focal_crossentropy",
        ),
        "L108": ("CosineSimilarity", "cosine_similarity", "KLDivergence", "kl_divergence"),
        "L206": _SINGLE,
        "L210": ("SparseCategoricalCrossentropy ignoring",),
        "L305": _FROM_PROBABILITIES,
    },
}
"""The MUST rules that built-in losses break, confirmed by hand; `docs/findings.md` has a reproduction of each."""


REPRESENTATIVE = (
    "MeanSquaredError",
    "Huber",
    "CosineSimilarity",
    "KLDivergence",
    "CategoricalHinge",
    "BinaryCrossentropy",
    "CategoricalFocalCrossentropy logits",
    "SparseCategoricalCrossentropy ignoring",
    "CategoricalGeneralizedCrossEntropy",
    "Dice",
    "Circle",
    "mean_squared_error",
    "cosine_similarity",
    "kl_divergence",
    "hinge",
    "binary_focal_crossentropy",
    "dice",
)
"""One for each way of being built and of failing: these run with every test; all run with `tools/control_group.py`."""


def findings_of(flavour: str, name: str) -> set[str]:
    """The MUST rules that a built-in loss is known to break."""
    return {rule for rule, names in FINDINGS[flavour].items() if name in names}


def control_subjects(keras: Any) -> list[Subject]:
    """The built-in losses of a Keras flavour; those that it does not have are left out."""
    subjects = []
    for name, (cls, options, sample, traits) in CASES.items():
        if hasattr(keras.losses, cls):
            subjects.append(Subject(_factory(keras, cls, options), sample, kind="loss", traits=traits, name=name))
    return subjects


def _factory(keras: Any, name: str, options: dict[str, Any]) -> Any:
    if name in FUNCTIONS:
        return functools.partial(getattr(keras.losses, name), **options)
    return lambda: getattr(keras.losses, name)(**options)
