"""The question that an engine answers, and its answer."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Overlap = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Overlaps of pairs: `overlap(detections, objects)`, two index arrays `[P]`, gives `[P]` float64 in [0, 1]."""


@dataclass(frozen=True, eq=False)
class Objects:
    """The groundtruth objects, `[G]` each, in the order of the annotations within an image.

    Attributes:
        image: Rank of the image among the sorted image ids, int64.
        category: Index into the question's categories, int64.
        area: Pixels squared, float64.
        crowd: Whether any number of detections may match it, and it is none to be found, bool.
        ignore: Whether it is none to be found at any area, bool; a crowd always is.
    """

    image: np.ndarray
    category: np.ndarray
    area: np.ndarray
    crowd: np.ndarray
    ignore: np.ndarray


@dataclass(frozen=True, eq=False)
class Detections:
    """The detections, `[D]` each, in the order of the predictions within an image.

    Attributes:
        image: Rank of the image among the sorted image ids, int64.
        category: Index into the question's categories, int64.
        area: Pixels squared, float64.
        score: float64.
        excused: Whether it counts neither as right nor as wrong where it matches nothing, bool.
    """

    image: np.ndarray
    category: np.ndarray
    area: np.ndarray
    score: np.ndarray
    excused: np.ndarray


@dataclass(frozen=True, eq=False)
class Question:
    """All that an engine has to know; the geometry is behind `overlap`.

    Attributes:
        objects: What is to be found.
        detections: What was found.
        overlap: Overlap of pairs of them.
        num_images: Number of images.
        num_categories: Number of categories, `K`.
    """

    objects: Objects
    detections: Detections
    overlap: Overlap
    num_images: int
    num_categories: int


@dataclass(frozen=True, eq=False)
class Curves:
    """Precision and recall over all thresholds; -1 where a category has no object in an area range.

    Attributes:
        precision: `[T, R, K, A, M]` float64: the highest precision at a recall of at least `recall_thresholds[r]`, 0
            where that recall is not reached.
        recall: `[T, K, A, M]` float64: the recall of all detections.
        iou_thresholds: `[T]` float64.
        recall_thresholds: `[R]` float64.
        categories: The `K` category ids.
        area_ranges: The `A` labels of the area ranges.
        limits: The `M` numbers of detections of an image and category that count.
    """

    precision: np.ndarray
    recall: np.ndarray
    iou_thresholds: np.ndarray
    recall_thresholds: np.ndarray
    categories: tuple[int, ...]
    area_ranges: tuple[str, ...]
    limits: tuple[int, ...]
