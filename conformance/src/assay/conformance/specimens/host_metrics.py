"""Sound Python metrics, as plain objects with the right methods: the models for twins, and the bases of mutants.

Each step is a method of its own, so that a mutant overrides the one line that it gets wrong.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

UNDEFINED = -1.0
MATCHING_IOU = 0.5
LARGE = 40.0**2

GROUNDTRUTH_FIELDS = ("source_id", "num_boxes", "boxes", "classes")
PREDICTION_FIELDS = ("source_id", "num_detections", "detection_boxes", "detection_classes", "detection_scores")

Scene = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]
"""Boxes `[n, 4]` and classes `[n]` of the objects; boxes `[m, 4]`, classes `[m]` and scores `[m]` of the detections."""


class SoundDetectionMetric:
    """Average precision and recall of boxes at IoU 0.5, over images that are told apart by their id.

    Groundtruths: `source_id` `[batch]`, `num_boxes` `[batch]`, `boxes` `[batch, slots, 4]` (y_min, x_min, y_max,
    x_max), `classes` `[batch, slots]`. Predictions: `source_id`, `num_detections`, `detection_boxes`,
    `detection_classes`, `detection_scores`. Slots beyond the counts are padding. An id that comes again is left out. A
    number that the data does not define is -1.
    """

    name = "detection"

    def __init__(self) -> None:
        self.scenes: dict[int, Scene] = {}

    def reset_state(self) -> None:
        """Forget all images."""
        self.scenes = {}

    def update_state(self, groundtruths: Mapping[str, Any], predictions: Mapping[str, Any]) -> None:
        """Add a batch of images."""
        truth = self.take("groundtruths", groundtruths, GROUNDTRUTH_FIELDS)
        found = self.take("predictions", predictions, PREDICTION_FIELDS)
        for row, source_id in enumerate(truth["source_id"].tolist()):
            objects, detections = int(truth["num_boxes"][row]), self.detections(found, row)
            self.add(
                source_id,
                (
                    truth["boxes"][row, :objects],
                    truth["classes"][row, :objects],
                    found["detection_boxes"][row, :detections],
                    found["detection_classes"][row, :detections],
                    found["detection_scores"][row, :detections],
                ),
            )

    def result(self) -> dict[str, Any]:
        """Return the scores over all images so far."""
        scenes = self.ordered()
        classes = sorted({int(one) for scene in scenes for one in scene[1]})
        curves = [self.hits_of(scenes, one) for one in classes]
        numbers = {
            "AP": self.mean([_average_precision(hits, total) for hits, total in curves]),
            "recall": self.mean([float(hits.sum()) / total for hits, total in curves]),
            "recall/large": self.recall_of_large(scenes),
            "images": len(scenes),
        }
        return {name: self.plain(value) for name, value in numbers.items()}

    # The parts, for mutants to override.

    def take(self, side: str, received: Mapping[str, Any], fields: Sequence[str]) -> dict[str, np.ndarray]:
        """Return the fields of one side as arrays."""
        for field in fields:
            if field not in received:
                raise ValueError(f"The {side} need {field!r}. Received: {sorted(received)}.")
        return {field: self.to_array(received[field]) for field in fields}

    def to_array(self, value: Any) -> np.ndarray:
        """Return an array, a tensor, or the values of several replicas as one array."""
        if isinstance(value, tuple):
            return np.concatenate([np.asarray(part) for part in value])
        return np.asarray(value)

    def detections(self, found: Mapping[str, np.ndarray], row: int) -> int:
        """Return how many slots of a row are detections."""
        return int(found["num_detections"][row])

    def add(self, source_id: int, scene: Scene) -> None:
        """Remember an image, the first time that it comes."""
        self.scenes.setdefault(source_id, tuple(np.array(part) for part in scene))  # type: ignore[arg-type]

    def ordered(self) -> list[Scene]:
        """Return the images in an order that does not depend on how they came."""
        return [self.scenes[source_id] for source_id in sorted(self.scenes)]

    def hits_of(self, scenes: Sequence[Scene], one: int) -> tuple[np.ndarray, int]:
        """Return whether each detection of a class is right, best score first, and how many objects there are."""
        rows: list[tuple[float, bool]] = []
        total = 0
        for boxes, classes, found, found_classes, scores in scenes:
            objects, detections = boxes[classes == one], found_classes == one
            total += len(objects)
            hits = _match(objects, found[detections], scores[detections])
            rows += zip((-scores[detections]).tolist(), hits, strict=True)
        return np.array([hit for _, hit in sorted(rows)], bool), total

    def recall_of_large(self, scenes: Sequence[Scene]) -> float:
        """Return the recall of objects above 40 x 40, whatever their class."""
        hits = total = 0
        for boxes, _, found, _, scores in scenes:
            large = boxes[_areas(boxes) >= LARGE]
            total += len(large)
            hits += sum(_match(large, found, scores))
        return self.mean([hits / total] if total else [])

    def mean(self, values: Sequence[float]) -> float:
        """Return the mean, or -1 of nothing."""
        return float(np.mean(values)) if len(values) else UNDEFINED

    def plain(self, value: Any) -> Any:
        """Return a number as the caller gets it."""
        return value


class SoundAccuracy:
    """Accuracy, overall and of each class, from counters; plain arrays `[batch]` and `[batch, classes]`.

    Args:
      num_classes: Number of classes.
    """

    name = "accuracy"

    def __init__(self, num_classes: int = 3) -> None:
        self.num_classes = num_classes
        self.reset_states()

    def reset_states(self) -> None:
        """Forget all batches."""
        self.matrix = np.zeros((self.num_classes, self.num_classes), np.int64)

    def update_state(self, labels: Any, scores: Any) -> None:
        """Add a batch of class ids `[batch]` and class scores `[batch, classes]`."""
        labels, scores = self.to_array(labels), self.to_array(scores)
        np.add.at(self.matrix, (labels, scores.argmax(axis=-1)), 1)

    def to_array(self, value: Any) -> np.ndarray:
        """Return an array, a tensor, or the values of several replicas as one array."""
        if isinstance(value, tuple):
            return np.concatenate([np.asarray(part) for part in value])
        return np.asarray(value)

    def result(self) -> dict[str, float]:
        """Return the accuracy, and the accuracy of each class; -1 where there is nothing to average."""
        return {"accuracy": self.share(np.trace(self.matrix), self.matrix.sum())} | {
            f"accuracy/{one}": self.share(self.matrix[one, one], self.matrix[one].sum())
            for one in range(self.num_classes)
        }

    def share(self, part: Any, whole: Any) -> float:
        """Return a share, or -1 of nothing."""
        return float(part / whole) if whole else UNDEFINED


def _areas(boxes: np.ndarray) -> np.ndarray:
    return np.prod(np.clip(boxes[..., 2:] - boxes[..., :2], 0, None), axis=-1)


def _match(objects: np.ndarray, found: np.ndarray, scores: np.ndarray) -> list[bool]:
    """Whether each detection is right: it overlaps a free object, best score first, and takes it."""
    free = np.ones(len(objects), bool)
    hits = [False] * len(found)
    for index in np.argsort(-scores, kind="stable"):
        inner = _areas(
            np.concatenate(
                [np.maximum(objects[:, :2], found[index, :2]), np.minimum(objects[:, 2:], found[index, 2:])], axis=-1
            )
        )
        overlap = np.where(free, inner / (_areas(objects) + _areas(found[index]) - inner + 1e-9), 0.0)
        best = int(np.argmax(overlap)) if len(overlap) else -1
        if best >= 0 and overlap[best] >= MATCHING_IOU:
            free[best], hits[index] = False, True
    return hits


def _average_precision(hits: np.ndarray, total: int) -> float:
    """The area under the precision-recall curve, precision made non-increasing from the right."""
    right = np.cumsum(hits)
    precision = right / np.arange(1, len(hits) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float(np.sum(envelope[hits]) / total)
