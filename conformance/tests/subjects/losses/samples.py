"""Small samples for the losses: labels and predictions as a data set and a model would give them."""

import numpy as np

_random = np.random.default_rng(11)


def class_ids():
    ids = np.array([0, 3, 1, 2, 3, 0, 1], np.int64)
    return ids, _random.normal(size=(7, 4)).astype(np.float32)


def one_hot():
    ids, logits = class_ids()
    return np.eye(4, dtype=np.float32)[ids], logits


def decisions():
    """Labels `[batch]` from a data set, logits `[batch, 1]` from a Dense(1)."""
    return np.array([1, 0, 0, 1, 1, 0], np.float32), _random.normal(size=(6, 1)).astype(np.float32)


def several_labels():
    bits = (_random.uniform(size=(6, 5)) < 0.4).astype(np.float32)
    bits[0] = 1.0
    return bits, _random.normal(size=(6, 5)).astype(np.float32)


def binary_masks():
    masks = (_random.uniform(size=(4, 3, 3, 1)) < 0.5).astype(np.float32)
    return masks, _random.uniform(0.05, 0.95, size=(4, 3, 3, 1)).astype(np.float32)


def label_maps():
    """Pixels of three classes, some of them void (255)."""
    labels = _random.integers(0, 3, size=(4, 3, 3)).astype(np.int32)
    labels[0, 0, :2] = labels[2, 1, 1] = 255
    return labels, _random.normal(size=(4, 3, 3, 3)).astype(np.float32)


def sure_label_maps():
    labels, logits = label_maps()
    return np.where(labels == 255, 0, labels).astype(np.int32), logits


def numbers():
    targets = _random.normal(size=(6, 3)).astype(np.float32)
    return targets, (targets + _random.normal(scale=0.5, size=(6, 3))).astype(np.float32)


def one_number():
    targets, predictions = numbers()
    return targets[:, :1], predictions[:, :1]


def quantiles():
    """A target `[batch, 1]` and a prediction for each of three quantiles."""
    return _random.normal(size=(6, 1)).astype(np.float32), _random.normal(size=(6, 3)).astype(np.float32)


def grades():
    """Relevance of documents, and their scores."""
    return np.array([0, 2, 1, 3, 0, 1], np.float32), _random.normal(size=6).astype(np.float32)


def two_views():
    views = _random.normal(size=(2, 6, 8)).astype(np.float32)
    return tuple(views / np.linalg.norm(views, axis=-1, keepdims=True))


def distances():
    """Whether two pictures show the same, and how far apart their embeddings are."""
    return np.array([1, 0, 1, 0, 0, 1], np.float32), _random.uniform(0.1, 1.8, size=6).astype(np.float32)


def teacher_and_student():
    return tuple(_random.normal(scale=2.0, size=(2, 6, 5)).astype(np.float32))


def boxes():
    corners = _random.uniform(0, 1, size=(2, 6, 2))
    sizes = _random.uniform(0.3, 1, size=(2, 6, 2))
    return tuple(np.concatenate([corners, corners + sizes], axis=-1).astype(np.float32))


def heads():
    ids, logits = class_ids()
    targets = _random.normal(size=(7, 2)).astype(np.float32)
    estimates = _random.normal(size=(7, 2)).astype(np.float32)
    return {"kind": ids, "size": targets}, {"kind": logits, "size": estimates}
