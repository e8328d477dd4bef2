"""Intersection over union of pairs of boxes."""

import numpy as np


def box_iou(found: np.ndarray, objects: np.ndarray, crowd: np.ndarray) -> np.ndarray:
    """Overlap of each detection with the object beside it.

    The formula is `intersection / (area of the detection + area of the object - intersection)`, and for a crowd
    `intersection / area of the detection`; 0 where the boxes do not overlap. The steps and their rounding are those of
    pycocotools, so that an overlap of exactly a threshold is one here too.

    Args:
        found: `[P, 4]` float64: x, y, width, height in pixels.
        objects: `[P, 4]` float64, the same.
        crowd: `[P]` bool: whether the object is a crowd.

    Returns:
        `[P]` float64 in [0, 1].
    """
    found_x, found_y, found_width, found_height = found.T
    object_x, object_y, object_width, object_height = objects.T
    width = np.minimum(found_width + found_x, object_width + object_x) - np.maximum(found_x, object_x)
    height = np.minimum(found_height + found_y, object_height + object_y) - np.maximum(found_y, object_y)
    intersection = width * height
    area = found_width * found_height
    union = np.where(crowd, area, area + object_width * object_height - intersection)
    overlapping = (width > 0) & (height > 0)
    return np.divide(intersection, union, out=np.zeros(len(found)), where=overlapping)
