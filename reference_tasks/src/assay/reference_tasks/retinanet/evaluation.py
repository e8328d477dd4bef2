"""What an evaluation keeps on the host: COCO's metric, and a few images to show."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from assay.python_metrics import COCOEvaluator
from assay.reference_tasks.retinanet.detections import DETECTION_BOXES, DETECTION_CLASSES, NUM_DETECTIONS
from assay.reference_tasks.retinanet.detections import DETECTION_SCORES as SCORES
from assay.reference_tasks.retinanet.drawing import draw_boxes, side_by_side

# Keys of the logs of a validation step: these and the name of a field.
GROUNDTRUTH, PREDICTION, SHOWN = "groundtruth/", "prediction/", "shown/"
RANK, ROW, PIXELS = "rank", "row", "pixels"

SHOWN_SCORE = 0.3
"""Detections with lower scores are not drawn."""
_DRAWN_SIDE = 256  # pixels at least, so that class numbers can be read

_MULTIPLIER = -1640531527  # 2**32 divided by the golden ratio, an odd number: ids get ranks of their own


@dataclasses.dataclass(frozen=True)
class Shown:
    """An image to show.

    Attributes:
        rank: Images with the lowest ranks are shown.
        pixels: uint8 `[height, width, channels]`, the model's input.
        objects: `boxes`, in pixels of the input, and `classes` of the groundtruth.
        detections: The same of the detections.
    """

    rank: int
    pixels: np.ndarray
    objects: dict[str, np.ndarray]
    detections: dict[str, np.ndarray]

    def drawn(self) -> np.ndarray:
        """Return the image twice, with its objects on the left and with what was detected on the right."""
        scale = max(1, -(-_DRAWN_SIDE // max(self.pixels.shape[:2])))
        return side_by_side(*(draw_boxes(self.pixels, **side, scale=scale) for side in (self.objects, self.detections)))


class Evaluation:
    """The state of one evaluation; a new one starts clean.

    Args:
        metric: A new COCO metric.
        count: How many images to show.
    """

    def __init__(self, metric: COCOEvaluator, count: int) -> None:
        self._metric = metric
        self._count = count
        self._shown: list[Shown] = []

    def add(self, step_logs: Mapping[str, Any]) -> None:
        """Take in the logs of a validation step, each value a tuple over the replicas."""
        groundtruths, predictions = (_fields(step_logs, prefix) for prefix in (GROUNDTRUTH, PREDICTION))
        self._metric.update_state(groundtruths, predictions)
        for replica, rows in enumerate(step_logs.get(SHOWN + ROW, ())):
            sides = [
                {name: np.asarray(values[replica]) for name, values in side.items()}
                for side in (groundtruths, predictions)
            ]
            ranks, pixels = (np.asarray(step_logs[SHOWN + name][replica]) for name in (RANK, PIXELS))
            self._shown += [
                _shown(int(rank), image, int(row), *sides)
                for rank, image, row in zip(ranks, pixels, np.asarray(rows), strict=True)
            ]
        self._shown = sorted(self._shown, key=lambda one: one.rank)[: self._count]

    def numbers(self) -> dict[str, float]:
        """Return COCO's metrics by name."""
        return self._metric.result()

    def images(self) -> np.ndarray | None:
        """Return the images to show, uint8 `[n, height, width, 3]`; None when there is none."""
        return np.stack([one.drawn() for one in self._shown]) if self._shown else None


def picked(source_ids: tf.Tensor, images: tf.Tensor, *, count: int) -> dict[str, tf.Tensor]:
    """Pick images of a batch to show; runs inside the validation step.

    Which ones follows from their ids, in no particular order: over an evaluation it is the same few, whatever the
    batches, and not those that happen to come first.

    Args:
        source_ids: int64 `[batch]`.
        images: uint8 `[batch, height, width, channels]`.
        count: The most images to pick; a smaller batch gives all of its own.

    Returns:
        Logs: ranks and rows, int32 `[n]`, and the pixels.
    """
    ranks = tf.cast(source_ids, tf.int32) * _MULTIPLIER
    size = images.shape[0] if images.shape[0] is not None else tf.shape(images)[0]
    negated, rows = tf.math.top_k(-ranks, tf.minimum(count, size))
    return {SHOWN + RANK: -negated, SHOWN + ROW: rows, SHOWN + PIXELS: tf.gather(images, rows)}


def with_prefix(prefix: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return fields as logs."""
    return {prefix + name: value for name, value in fields.items()}


def _fields(step_logs: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    return {key.removeprefix(prefix): value for key, value in step_logs.items() if key.startswith(prefix)}


def _shown(rank: int, pixels: np.ndarray, row: int, objects: Mapping[str, Any], found: Mapping[str, Any]) -> Shown:
    scale = np.tile(found["image_info"][row, 2], 2)
    count = int(objects[NUM_DETECTIONS][row])
    kept = found[SCORES][row, : int(found[NUM_DETECTIONS][row])] >= SHOWN_SCORE
    return Shown(
        rank,
        pixels,
        {"boxes": objects["boxes"][row, :count] * scale, "classes": objects["classes"][row, :count]},
        {
            "boxes": found[DETECTION_BOXES][row, : len(kept)][kept],
            "classes": found[DETECTION_CLASSES][row, : len(kept)][kept],
        },
    )
