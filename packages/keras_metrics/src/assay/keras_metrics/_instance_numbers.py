"""The numbers that are reported of detections, by the names that COCO's users know them by."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf
from assay.keras_metrics._average_precision import UNDEFINED, Curves

LARGEST_AREA = 1e5**2
AREA_RANGES = {
    "": (0.0, LARGEST_AREA),
    "s": (0.0, 32.0**2),
    "m": (32.0**2, 96.0**2),
    "l": (96.0**2, LARGEST_AREA),
}  # pixels squared, both ends included, as COCO has them
SINGLE_THRESHOLDS = {"50": 0.5, "75": 0.75}


def outside_ranges(areas: Any) -> Any:
    """Which area ranges areas `[batch, slots]` are not in, bool `[batch, slots, A]`."""
    low, high = (tf.constant(edges, tf.float32) for edges in zip(*AREA_RANGES.values(), strict=True))
    areas = areas[..., tf.newaxis]
    return tf.logical_or(areas < low, areas > high)


def numbers(
    found: Curves,
    *,
    algorithms: Mapping[str, str],
    iou_thresholds: Sequence[float],
    limits: Sequence[int],
    per_class: bool,
) -> dict[str, Any]:
    """The numbers by name.

    Args:
        found: Precision and recall.
        algorithms: Name of average precision to its algorithm.
        iou_thresholds: Those of the curves.
        limits: Likewise; the first two stand for 1 and 10.
        per_class: Whether the numbers of each class come too.

    Returns:
        Scalars, means over the entries that are not -1, or -1 of none; and `[num_classes]`, with `_per_class` behind
        the name.
    """
    entries: dict[str, Any] = {}  # [thresholds, num_classes]
    for name, algorithm in algorithms.items():
        precision = found.precision[algorithm]
        entries[name] = precision[0]
        for shown, threshold in SINGLE_THRESHOLDS.items():
            chosen = [index for index, one in enumerate(iou_thresholds) if math.isclose(one, threshold)]
            if chosen:
                entries[f"{name}{shown}"] = precision[0, chosen[0] : chosen[0] + 1]
        entries |= {f"{name}{area}": precision[index] for index, area in enumerate(AREA_RANGES) if area}
    for index, shown in enumerate(("1", "10", f"{limits[-1]}")):
        entries[f"ARmax{shown}"] = found.recall[index, 0]
    entries |= {f"AR{area}": found.recall[-1, index] for index, area in enumerate(AREA_RANGES) if area}
    results = {name: _mean(values, axis=None) for name, values in entries.items()}
    if per_class:
        results |= {f"{name}_per_class": _mean(values, axis=0) for name, values in entries.items()}
    return results


def _mean(values: Any, *, axis: int | None) -> Any:
    """Mean of the entries that are defined; -1 of none."""
    defined = tf.cast(values > UNDEFINED, values.dtype)
    count = tf.reduce_sum(defined, axis=axis)
    mean = tf.math.divide_no_nan(tf.reduce_sum(values * defined, axis=axis), count)
    return tf.where(count > 0, mean, tf.constant(UNDEFINED, values.dtype))
