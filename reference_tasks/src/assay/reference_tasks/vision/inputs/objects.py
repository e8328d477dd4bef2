"""Collects the objects of annotation files, leaving out the boxes that cannot be."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

EMPTY = "width or height of 0 or below"
OUTSIDE = "outside of the image"
_TOLERANCE = 1e-3  # pixels by which a box may leave the image: `x + width` is seldom exact


class Boxes:
    """Objects in the order in which they are added.

    As in Model Garden's converter, boxes without width or height and boxes that leave the image are left out.

    Attributes:
        left_out: How many were left out, by the reason.
    """

    def __init__(self) -> None:
        self._rows: list[tuple[Sequence[float], int, bool, float]] = []
        self.left_out: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._rows)

    def add(
        self, box: Sequence[float], size: Sequence[float], *, label: int, is_crowd: bool, area: float | None = None
    ) -> bool:
        """Add an object, and return whether it was not left out.

        Args:
            box: ymin, xmin, ymax, xmax in pixels.
            size: Height and width of the image.
            label: Its class.
            is_crowd: Whether it is many that are not told apart.
            area: In square pixels; None for that of the box.
        """
        ymin, xmin, ymax, xmax = box
        if ymax <= ymin or xmax <= xmin:
            self.left_out[EMPTY] += 1
            return False
        if min(ymin, xmin) < -_TOLERANCE or ymax > size[0] + _TOLERANCE or xmax > size[1] + _TOLERANCE:
            self.left_out[OUTSIDE] += 1
            return False
        inside = [max(ymin, 0), max(xmin, 0), min(ymax, size[0]), min(xmax, size[1])]
        self._rows.append((inside, label, is_crowd, (ymax - ymin) * (xmax - xmin) if area is None else area))
        return True

    def columns(self, order: np.ndarray | None = None) -> dict[str, Any]:
        """Return `boxes`, `classes`, `is_crowd` and `areas` of `AnnotatedImages`, in another order if one is given."""
        boxes, labels, crowds, areas = zip(*self._rows, strict=True) if self._rows else ([], [], [], [])
        columns = {
            "boxes": np.array(boxes, np.float64).reshape([-1, 4]),
            "classes": np.array(labels, np.int64),
            "is_crowd": np.array(crowds, bool),
            "areas": np.array(areas, np.float64),
        }
        return columns if order is None else {key: values[order] for key, values in columns.items()}
