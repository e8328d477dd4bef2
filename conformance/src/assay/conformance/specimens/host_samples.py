"""Generated samples for Python metrics, and what an independent calculation says of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

IMAGES = 7
BATCH = 3
TRUTH_SLOTS, FOUND_SLOTS = 5, 6
CLASSES = 3

Pair = tuple[Any, Any]


def scenes(seed: int = 0) -> list[Pair]:
    """Return batches of 3, 3 and 1 images: some objects are missed, some detections are wrong, none is tied."""
    random = np.random.default_rng(seed)
    rows = [_scene(random, image) for image in range(IMAGES)]
    batches = [rows[at : at + BATCH] for at in range(0, IMAGES, BATCH)]
    return [(_stacked([truth for truth, _ in batch]), _stacked([found for _, found in batch])) for batch in batches]


def class_scores(seed: int = 0) -> list[Pair]:
    """Return batches of 4, 4 and 3 class ids with scores of each class."""
    random = np.random.default_rng(seed)
    batches = []
    for size in (4, 4, 3):
        labels = random.integers(0, CLASSES, size=size)
        scores = random.uniform(size=(size, CLASSES)).astype(np.float32)
        scores[np.arange(size), labels] += 0.4
        batches.append((labels, scores / scores.sum(axis=-1, keepdims=True)))
    return batches


def detection_reference(batches: Sequence[Pair]) -> dict[str, float]:
    """Return AP and recall as the definition has them, object by object: precision at the rank of each hit."""
    objects: list[tuple[int, int, list[float]]] = []
    found: list[tuple[float, int, int, list[float]]] = []
    seen = set()
    for truth, predictions in batches:
        for row, image in enumerate(truth["source_id"].tolist()):
            if image in seen:
                continue
            seen.add(image)
            for slot in range(int(truth["num_boxes"][row])):
                objects.append((image, int(truth["classes"][row, slot]), truth["boxes"][row, slot].tolist()))
            for slot in range(int(predictions["num_detections"][row])):
                score = float(predictions["detection_scores"][row, slot])
                one = int(predictions["detection_classes"][row, slot])
                found.append((score, image, one, predictions["detection_boxes"][row, slot].tolist()))
    precisions, recalls = [], []
    for one in sorted({label for _, label, _ in objects}):
        total = sum(label == one for _, label, _ in objects)
        taken: set[int] = set()
        hits: list[bool] = []
        for _, image, label, box in sorted(found, reverse=True):
            if label == one:
                hits.append(_takes(box, image, one, objects, taken))
        at_hits = [max(sum(hits[: end + 1]) / (end + 1) for end in range(rank, len(hits))) for rank in _ranks(hits)]
        precisions.append(sum(at_hits) / total)
        recalls.append(len(taken) / total)
    return {
        "AP": sum(precisions) / len(precisions) if precisions else -1.0,
        "recall": sum(recalls) / len(recalls) if recalls else -1.0,
    }


def _ranks(hits: Sequence[bool]) -> list[int]:
    return [rank for rank, hit in enumerate(hits) if hit]


def _takes(box: list[float], image: int, one: int, objects: Sequence[Any], taken: set[int]) -> bool:
    """Whether a detection takes the free object that it overlaps most."""
    best, best_overlap = -1, 0.5
    for index, (where, label, other) in enumerate(objects):
        if (where, label) != (image, one) or index in taken:
            continue
        height = max(0.0, min(box[2], other[2]) - max(box[0], other[0]))
        width = max(0.0, min(box[3], other[3]) - max(box[1], other[1]))
        sizes = [(edges[2] - edges[0]) * (edges[3] - edges[1]) for edges in (box, other)]
        overlap = height * width / (sum(sizes) - height * width)
        if overlap >= best_overlap:
            best, best_overlap = index, overlap
    taken.update([best] if best >= 0 else [])
    return best >= 0


def _scene(random: np.random.Generator, image: int) -> tuple[dict[str, Any], dict[str, Any]]:
    objects = int(random.integers(2, TRUTH_SLOTS))
    corners = random.uniform(0, 60, size=(objects, 2))
    boxes = np.concatenate([corners, corners + random.uniform(15, 60, size=(objects, 2))], axis=-1)
    classes = random.integers(1, CLASSES, size=objects)
    kept = random.permutation(objects)[: objects - 1]
    corner = random.uniform(0, 60, size=(1, 2))
    found = np.concatenate([boxes[kept] + random.normal(size=(len(kept), 4)), np.hstack([corner, corner + 20])])
    truth = {
        "source_id": np.int64(40 + 3 * image),
        "num_boxes": np.int32(objects),
        "boxes": _padded(boxes, TRUTH_SLOTS, np.float32),
        "classes": _padded(classes, TRUTH_SLOTS, np.int64),
    }
    predictions = {
        "source_id": np.int64(40 + 3 * image),
        "num_detections": np.int32(len(found)),
        "detection_boxes": _padded(found, FOUND_SLOTS, np.float32),
        "detection_classes": _padded(np.append(classes[kept], 1), FOUND_SLOTS, np.int64),
        "detection_scores": _padded(random.uniform(0.05, 1, size=len(found)), FOUND_SLOTS, np.float32),
    }
    return truth, predictions


def _padded(rows: np.ndarray, slots: int, dtype: Any) -> np.ndarray:
    return np.concatenate([rows, np.full((slots - len(rows), *rows.shape[1:]), -1)]).astype(dtype)


def _stacked(rows: Sequence[dict[str, Any]]) -> dict[str, np.ndarray]:
    return {field: np.stack([row[field] for row in rows]) for field in rows[0]}
