"""Which object of an image each detection belongs to."""

import numpy as np
from assay.python_metrics.voc.batches import Image

NOTHING = -1
DIFFICULT = -2


def best_objects(image: Image, *, iou_threshold: float, inclusive: bool) -> np.ndarray:
    """The object of its class that each detection overlaps most, the first of equals.

    Args:
        image: The objects and detections.
        iou_threshold: Least intersection over union.
        inclusive: Whether boxes end at the last pixel that belongs to them.

    Returns:
        `[detections]` int64: the number of an object, `NOTHING` where the overlap is too small, `DIFFICULT` where the
        object is difficult.
    """
    if not len(image.classes) or not len(image.found_classes):
        return np.full(len(image.found_classes), NOTHING, np.int64)
    overlaps = intersection_over_union(image.found_boxes, image.boxes, inclusive=inclusive)
    overlaps[image.found_classes[:, None] != image.classes[None, :]] = -1.0
    best = overlaps.argmax(axis=1)
    enough = overlaps[np.arange(len(best)), best] >= iou_threshold
    return np.where(enough, np.where(image.difficult[best], DIFFICULT, best), NOTHING).astype(np.int64)


def intersection_over_union(boxes: np.ndarray, others: np.ndarray, *, inclusive: bool) -> np.ndarray:
    """`[n, m]` for boxes `[n, 4]` and `[m, 4]`, ymin, xmin, ymax, xmax; 0 where the union is empty."""
    extra = 1.0 if inclusive else 0.0
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    intersection = np.prod(np.maximum(high - low + extra, 0.0), axis=-1)
    areas = [np.prod(np.maximum(each[:, 2:] - each[:, :2] + extra, 0.0), axis=-1) for each in (boxes, others)]
    union = areas[0][:, None] + areas[1][None, :] - intersection
    return np.divide(intersection, union, out=np.zeros_like(union), where=union > 0)
