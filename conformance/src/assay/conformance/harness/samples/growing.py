"""New values within a domain: varied, perfect, wrong and saturated predictions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from assay.conformance.harness.samples.batch import Batch, Leaf
from assay.conformance.harness.samples.domains import CATEGORICAL, ELEMENTWISE, Domain

_NOISE = 0.3
_TINY = 1e-6


def varied(leaf: Leaf, array: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Return predictions near the given ones, in the same domain and dtype; a box, a pair or the unknown as it is."""
    values = np.asarray(array, np.float64)
    noise = _NOISE * random.normal(size=values.shape)
    domain = leaf.domain
    if domain in (Domain.LOGITS, Domain.REAL, Domain.SIGNS):
        spread = float(values.std()) if values.size > 1 else 0.0
        values = values + noise * (spread or 1.0)
    elif domain is Domain.POSITIVE:
        values = values * np.exp(noise)
    elif domain in (Domain.PROBABILITIES, Domain.BINARY):
        clipped = np.clip(values, 0.02, 0.98)
        values = 1 / (1 + np.exp(-(np.log(clipped / (1 - clipped)) + noise)))
    elif domain in (Domain.SIMPLEX, Domain.ONE_HOT):
        values = softmax(np.log(np.clip(values, 0.02, None)) + noise)
    elif domain is Domain.UNIT_VECTORS:
        values = values + noise / np.sqrt(values.shape[-1])
        values = values / np.maximum(np.linalg.norm(values, axis=-1, keepdims=True), _TINY)
    return values.astype(array.dtype)


def opposed(leaf: Leaf, array: np.ndarray) -> np.ndarray:
    """Return predictions that say quite the opposite, in the same domain and dtype; a box or the unknown as it is."""
    values = np.asarray(array, np.float64)
    domain = leaf.domain
    if domain in (Domain.LOGITS, Domain.REAL, Domain.SIGNS):
        values = -2.0 * values - 0.5 * (float(np.abs(values).mean()) if values.size else 0.0)
    elif domain is Domain.UNIT_VECTORS:
        values = -values
    elif domain is Domain.POSITIVE:
        values = 3.0 * values
    elif domain in (Domain.PROBABILITIES, Domain.BINARY):
        values = 1.0 - values
    elif domain in (Domain.SIMPLEX, Domain.ONE_HOT):
        values = np.roll(values, 1, axis=-1)
    return values.astype(array.dtype)


def softmax(logits: np.ndarray) -> np.ndarray:
    """Return the softmax over the last axis, in float64."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True, initial=-np.inf))
    return powers / powers.sum(axis=-1, keepdims=True)


def perfect(batch: Batch, *, confidence: float = 8.0) -> Batch | None:
    """Return the batch with the predictions that its labels call for, or None when that cannot be told.

    Args:
      batch: Labels; the predictions only give shapes.
      confidence: The size of logits.
    """
    return _answering(batch, confidence, shift=0)


def wrong(batch: Batch, *, confidence: float = 8.0, shift: int = 1) -> Batch | None:
    """Return the batch with predictions as sure as perfect ones, of another class or far from the target.

    Args:
      batch: Labels; the predictions only give shapes.
      confidence: The size of logits, and of the error in units of the labels' spread.
      shift: Which other class: the one so many further on.
    """
    return _answering(batch, confidence, shift=shift)


def saturated(batch: Batch, size: float, *, seed: int = 0) -> Batch | None:
    """Return the batch with logits of +-size, or probabilities of exactly 0 and 1; None where a domain has no such.

    Args:
      batch: The batch.
      size: The size of logits; without meaning for probabilities.
      seed: Decides which are right and which are wrong.
    """
    random = np.random.default_rng(seed)
    arrays = []
    for leaf, array in zip(batch.layout.predictions, batch.predictions, strict=True):
        shape = array.shape
        if leaf.domain is Domain.LOGITS:
            arrays.append(size * random.choice([-1.0, 1.0], size=shape))
        elif leaf.domain is Domain.PROBABILITIES:
            arrays.append(random.choice([0.0, 1.0], size=shape))
        elif leaf.domain is Domain.SIMPLEX:
            arrays.append(np.eye(shape[-1])[random.integers(shape[-1], size=shape[:-1])])
        else:
            return None
    return batch.with_predictions(arrays)


def _answering(batch: Batch, confidence: float, *, shift: int) -> Batch | None:
    arrays = []
    for leaf, array in zip(batch.layout.predictions, batch.predictions, strict=True):
        if leaf.partner is None:
            return None
        truth_leaf = batch.layout.truth[leaf.partner]
        answer = _answer(truth_leaf, batch.truth[leaf.partner], leaf, array.shape, confidence, shift)
        if answer is None or answer.shape != array.shape:
            return None
        arrays.append(answer)
    return batch.with_predictions(arrays)


def _answer(
    truth: Leaf, labels: np.ndarray, leaf: Leaf, shape: Sequence[int], confidence: float, shift: int
) -> np.ndarray | None:
    values = np.asarray(labels, np.float64)
    domain = leaf.domain
    if truth.domain is Domain.CLASS_IDS:
        if domain not in (Domain.LOGITS, Domain.SIMPLEX) or not leaf.classes:
            return None
        ids = labels[..., 0] if labels.ndim == len(shape) and labels.shape[-1] == 1 else labels
        ids = np.asarray(ids, np.int64)
        if ids.size and (ids.min() < 0 or ids.max() >= leaf.classes):
            return None
        return _as(domain, np.eye(leaf.classes)[(ids + shift) % leaf.classes], confidence)
    if values.size == np.prod(shape):
        values = values.reshape(shape)
    if values.shape != tuple(shape):
        return None
    if truth.domain is Domain.ONE_HOT:
        return _as(domain, np.roll(values, shift, axis=-1), confidence) if domain in _FROM_CLASSES else None
    if truth.domain is Domain.BINARY:
        return _as(domain, 1 - values if shift else values, confidence) if domain in _FROM_CLASSES else None
    if truth.domain is Domain.SIGNS:
        return -values if shift else values
    if truth.domain in (Domain.SIMPLEX, Domain.PROBABILITIES):
        if shift:
            values = np.roll(values, shift, axis=-1) if truth.domain is Domain.SIMPLEX else 1 - values
        if domain in (Domain.SIMPLEX, Domain.PROBABILITIES):
            return values
        clipped = np.clip(values, _TINY, 1 - _TINY)
        if domain is not Domain.LOGITS:
            return None
        return np.log(clipped) - (0 if truth.domain is Domain.SIMPLEX else np.log1p(-clipped))
    if truth.domain is Domain.UNIT_VECTORS and domain in (Domain.UNIT_VECTORS, Domain.REAL):
        return -values if shift else values
    if truth.domain in (Domain.REAL, Domain.POSITIVE, Domain.BOXES) and domain in (*ELEMENTWISE, Domain.BOXES):
        spread = max(float(values.std()), _TINY) if values.size else 1.0
        return values + shift * spread
    return None


_FROM_CLASSES = (Domain.LOGITS, Domain.SIMPLEX, Domain.PROBABILITIES, Domain.BINARY)


def _as(domain: Domain, classes: np.ndarray, confidence: float) -> np.ndarray:
    return confidence * (2 * classes - 1) if domain is Domain.LOGITS else classes


def is_categorical(batch: Batch) -> bool:
    """Whether all labels say which class, and nothing in between."""
    return all(leaf.domain in CATEGORICAL for leaf in batch.layout.truth)
