"""Counts of classes in NumPy float64, one class and one element at a time: slow and plain."""

import numpy as np


def counts(labels, predictions, num_classes, *, weights=None, ignore_label=None, counted=None):
    """Weighted numbers of elements found, labelled and predicted, `[num_classes]` each, and of all elements."""
    labels, predictions = np.ravel(labels).astype(np.int64), np.ravel(predictions).astype(np.int64)
    weights = np.ones(labels.size) if weights is None else np.ravel(weights).astype(np.float64)
    if counted is not None:
        weights = np.where(np.ravel(counted), weights, 0.0)
    if ignore_label is not None:
        weights = np.where(labels == ignore_label, 0.0, weights)
    found, labelled, predicted = (np.zeros(num_classes) for _ in range(3))
    for one in range(num_classes):
        found[one] = weights[(labels == one) & (predictions == one)].sum()
        labelled[one] = weights[labels == one].sum()
        predicted[one] = weights[predictions == one].sum()
    return found, labelled, predicted, weights.sum()


def ratio(numerator, denominator):
    """Their ratio, and 0 where the denominator is 0."""
    numerator, denominator = np.asarray(numerator, np.float64), np.asarray(denominator, np.float64)
    return np.divide(numerator, denominator, out=np.zeros_like(numerator), where=denominator != 0)


def mean(values, chosen):
    """The mean of the values that are chosen, 0 of none."""
    return float(np.mean(np.asarray(values)[chosen])) if np.any(chosen) else 0.0


def best(scores):
    """The class with the highest score, -1 where one is NaN."""
    return np.where(np.isnan(scores).any(-1), -1, np.argmax(np.nan_to_num(scores, nan=-np.inf), axis=-1))
