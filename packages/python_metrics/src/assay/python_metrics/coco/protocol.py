"""What is asked of an evaluation: thresholds, area ranges and limits, as the COCO evaluation has them.

References:
    Lin et al., "Microsoft COCO: Common Objects in Context", 2014, https://arxiv.org/abs/1405.0312.
    COCO, "Detection Evaluation" and "Keypoint Evaluation", https://cocodataset.org/#detection-eval.
"""

import enum
from dataclasses import dataclass

import numpy as np

IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)
RECALL_THRESHOLDS = np.linspace(0.0, 1.0, 101)
LARGEST_AREA = 1e5**2
AREA_RANGES = {
    "all": (0.0, LARGEST_AREA),
    "small": (0.0, 32.0**2),
    "medium": (32.0**2, 96.0**2),
    "large": (96.0**2, LARGEST_AREA),
}  # pixels squared, both ends included: an object on the edge belongs to two of them
KEYPOINT_LIMIT = 20  # detections of an image and category that count for keypoints


class Kind(enum.StrEnum):
    """What is compared: the value is the name that pycocotools has for it."""

    BOXES = "bbox"
    MASKS = "segm"
    KEYPOINTS = "keypoints"


@dataclass(frozen=True, eq=False)
class Protocol:
    """The axes of the arrays that an evaluation gives.

    Attributes:
        kind: What is compared.
        iou_thresholds: `[T]` increasing; a detection can match an object whose overlap is equal or higher.
        recall_thresholds: `[R]` increasing; where precision is read off.
        area_ranges: `[A]`: label to the smallest and largest area in pixels squared, both included.
        limits: `[M]` increasing: how many detections of an image and category count, the best ones first.
    """

    kind: Kind
    iou_thresholds: np.ndarray
    recall_thresholds: np.ndarray
    area_ranges: dict[str, tuple[float, float]]
    limits: tuple[int, ...]


def protocol(kind: Kind, max_num_eval_detections: int) -> Protocol:
    """Return COCO's protocol for a kind, with at most so many detections of an image and category."""
    if kind is Kind.KEYPOINTS:
        ranges = {label: bounds for label, bounds in AREA_RANGES.items() if label != "small"}
        limits: tuple[int, ...] = (min(KEYPOINT_LIMIT, max_num_eval_detections),)
    else:
        ranges = dict(AREA_RANGES)
        limits = (1, min(10, max_num_eval_detections), max_num_eval_detections)
    return Protocol(kind, IOU_THRESHOLDS, RECALL_THRESHOLDS, ranges, limits)


def federated_protocol(kind: Kind, max_num_eval_detections: int) -> Protocol:
    """Return LVIS's protocol for boxes or masks: COCO's with one limit, which no category of an image can exceed."""
    return Protocol(kind, IOU_THRESHOLDS, RECALL_THRESHOLDS, dict(AREA_RANGES), (max_num_eval_detections,))
