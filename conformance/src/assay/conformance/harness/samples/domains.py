"""Domains: what the values of one array of a sample stand for, inferred from them; a trait says it otherwise."""

from __future__ import annotations

import enum
from collections.abc import Mapping

import numpy as np

_SUM_TOLERANCE = 1e-3  # float16 rows of a softmax add up to 1 within this
_ENOUGH_TO_SEE_A_SIGN = 6
"""So many predictions for yes or no, none of them negative, are distances or rates rather than logits."""


class Domain(enum.StrEnum):
    """What the values of an array stand for, and so what a check may put in their place."""

    CLASS_IDS = "class_ids"
    """Whole numbers that name a class."""
    ONE_HOT = "one_hot"
    """Rows `[..., classes]` of zeros with a single one."""
    BINARY = "binary"
    """Zeros and ones, each on its own."""
    SIGNS = "signs"
    """Minus one and one, as hinge losses take them."""
    SIMPLEX = "simplex"
    """Rows `[..., classes]` of probabilities that add up to one."""
    PROBABILITIES = "probabilities"
    """Numbers in [0, 1], each on its own: sigmoid outputs, soft labels."""
    LOGITS = "logits"
    """Any real number, to be made a probability by the loss."""
    UNIT_VECTORS = "unit_vectors"
    """Rows of length one."""
    PAIRS = "pairs"
    """`[batch, batch]`: something between each two examples."""
    BOXES = "boxes"
    """Rows of four, the last two at least as large as the first two."""
    POSITIVE = "positive"
    """Real numbers that are not negative: counts, rates, scales."""
    REAL = "real"
    """Any real number."""
    FIXED = "fixed"
    """Nothing is known; values are taken from the sample as they are."""


ELEMENTWISE = (Domain.BINARY, Domain.PROBABILITIES, Domain.LOGITS, Domain.POSITIVE, Domain.REAL, Domain.SIGNS)
"""Domains whose elements do not depend on their neighbours in a row."""

CATEGORICAL = (Domain.CLASS_IDS, Domain.ONE_HOT, Domain.BINARY)
"""Domains of labels that say which class, and nothing in between."""


def domain_of_truth(array: np.ndarray, prediction: np.ndarray | None, *, mixes_examples: bool = False) -> Domain:
    """Infer the domain of an array of `y_true`.

    Args:
      array: The labels.
      prediction: The predictions that belong to them, when that is known.
      mixes_examples: Whether the loss couples examples: only then is a square matrix taken for pairs.
    """
    if array.dtype.kind not in "biuf":
        return Domain.FIXED
    if _is_pairs(array, prediction, mixes_examples=mixes_examples):
        return Domain.PAIRS
    values = np.asarray(array, np.float64)
    whole = bool(np.all(values == np.round(values)))
    same_shape = prediction is not None and _squeezed(array.shape) == _squeezed(prediction.shape)
    if not values.size:
        return Domain.FIXED
    if array.dtype.kind == "b" or set(np.unique(values)) <= {0.0, 1.0}:
        if _rows_add_up(values):
            return Domain.ONE_HOT
        return Domain.BINARY if same_shape or prediction is None else Domain.CLASS_IDS
    if set(np.unique(values)) == {-1.0, 1.0}:
        return Domain.SIGNS
    if whole and not same_shape:
        return Domain.CLASS_IDS
    if array.dtype.kind in "iu":
        return Domain.POSITIVE if values.min() >= 0 else Domain.REAL
    return _domain_of_floats(values)


def domain_of_prediction(array: np.ndarray, truth: Domain | None, *, mixes_examples: bool = False) -> Domain:
    """Infer the domain of an array of `y_pred`, given that of its labels."""
    if array.dtype.kind != "f" and array.dtype.name != "bfloat16":
        return Domain.FIXED
    if truth is Domain.PAIRS:
        return Domain.PAIRS
    found = _domain_of_floats(np.asarray(array, np.float64))
    labels = (Domain.CLASS_IDS, Domain.ONE_HOT, Domain.BINARY, Domain.SIMPLEX, Domain.PROBABILITIES)
    if found in (Domain.REAL, Domain.BOXES) and truth in labels:
        return Domain.LOGITS
    if found is Domain.POSITIVE and truth in labels:
        independent = truth is Domain.PROBABILITIES or (truth is Domain.BINARY and array.size >= _ENOUGH_TO_SEE_A_SIGN)
        return Domain.POSITIVE if independent else Domain.LOGITS
    if found in (Domain.PROBABILITIES, Domain.SIMPLEX, Domain.BINARY, Domain.ONE_HOT) and truth in (
        Domain.REAL,
        Domain.POSITIVE,
        Domain.SIGNS,
    ):
        return Domain.REAL if truth is not Domain.POSITIVE else Domain.POSITIVE
    if found is Domain.ONE_HOT:
        return Domain.SIMPLEX
    return Domain.PROBABILITIES if found is Domain.BINARY else found


def declared_domain(declared: Mapping[str, str] | str | None, side: str, path: str) -> Domain | None:
    """The domain that the trait `domain` gives an array: by its side, or by its side and path (`y_true/boxes`)."""
    if declared is None:
        return None
    if isinstance(declared, str):
        return Domain(declared) if side == "y_pred" else None
    name = declared.get(f"{side}/{path}" if path else side, declared.get(side))
    return None if name is None else Domain(name)


def _domain_of_floats(values: np.ndarray) -> Domain:
    low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 0.0)
    if not np.all(np.isfinite(values)):
        return Domain.FIXED
    if low >= 0 and _rows_add_up(values):
        return Domain.ONE_HOT if set(np.unique(values)) <= {0.0, 1.0} else Domain.SIMPLEX
    if values.ndim >= 2 and values.shape[-1] > 1:
        if np.allclose(np.linalg.norm(values, axis=-1), 1.0, atol=_SUM_TOLERANCE):
            return Domain.UNIT_VECTORS
        if values.shape[-1] == 4 and np.all(values[..., 2:] >= values[..., :2]) and values.size >= 12:
            return Domain.BOXES
    if low >= 0 and high <= 1:
        return Domain.BINARY if set(np.unique(values)) <= {0.0, 1.0} else Domain.PROBABILITIES
    return Domain.POSITIVE if low >= 0 else Domain.REAL


def _rows_add_up(values: np.ndarray) -> bool:
    rows = values.ndim >= 2 and values.shape[-1] > 1
    return rows and bool(np.allclose(values.sum(axis=-1), 1.0, atol=_SUM_TOLERANCE))


def _is_pairs(array: np.ndarray, prediction: np.ndarray | None, *, mixes_examples: bool) -> bool:
    square = array.ndim == 2 and array.shape[0] == array.shape[1] >= 2
    return mixes_examples and square and prediction is not None and prediction.shape == array.shape


def _squeezed(shape: tuple[int, ...]) -> tuple[int, ...]:
    return shape[:-1] if len(shape) > 1 and shape[-1] == 1 else shape
