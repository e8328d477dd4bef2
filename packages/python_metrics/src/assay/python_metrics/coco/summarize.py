"""The numbers that are reported, by the names that they are known by, from precision and recall."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from assay.python_metrics.coco.accumulate import UNDEFINED
from assay.python_metrics.coco.protocol import Kind
from assay.python_metrics.coco.question import Curves


@dataclass(frozen=True)
class Number:
    """One number of a summary.

    Attributes:
        name: Its name, after the prefix of the kind; `{limit}` is the limit itself.
        by_category: The name for a single category, after the prefix of the kind and before `/<category>`.
        of_precision: Whether it averages precision (AP) or recall (AR).
        threshold: The IoU threshold, or None for the average over all.
        area: Label of the area range.
        limit: Index of the limit.
    """

    name: str
    by_category: str
    of_precision: bool
    threshold: float | None = None
    area: str = "all"
    limit: int = -1


_MAP, _AR = "Precision mAP ByCategory", "Recall AR"
_AREAS = (("s", "small"), ("m", "medium"), ("l", "large"))

DETECTION_NUMBERS = (
    Number("AP", _MAP, of_precision=True),
    Number("AP50", f"{_MAP}@50IoU", of_precision=True, threshold=0.5),
    Number("AP75", f"{_MAP}@75IoU", of_precision=True, threshold=0.75),
    *(Number(f"AP{short}", f"{_MAP} ({area})", of_precision=True, area=area) for short, area in _AREAS),
    *(
        Number(f"ARmax{shown}", f"{_AR}@{shown} ByCategory", of_precision=False, limit=index)
        for index, shown in enumerate(("1", "10", "{limit}"))
    ),
    *(Number(f"AR{short}", f"{_AR} ({area}) ByCategory", of_precision=False, area=area) for short, area in _AREAS),
)
KEYPOINT_NUMBERS = (
    Number("AP", _MAP, of_precision=True),
    Number("AP50", f"{_MAP}@50IoU", of_precision=True, threshold=0.5),
    Number("AP75", f"{_MAP}@75IoU", of_precision=True, threshold=0.75),
    *(Number(f"AP{short}", f"{_MAP} ({area})", of_precision=True, area=area) for short, area in _AREAS[1:]),
    Number("AR", f"{_AR} ByCategory", of_precision=False),
    Number("AR50", f"{_AR}@50IoU ByCategory", of_precision=False, threshold=0.5),
    Number("AR75", f"{_AR}@75IoU ByCategory", of_precision=False, threshold=0.75),
    *(Number(f"AR{short}", f"{_AR} ({area}) ByCategory", of_precision=False, area=area) for short, area in _AREAS[1:]),
)
NUMBERS = {Kind.BOXES: DETECTION_NUMBERS, Kind.MASKS: DETECTION_NUMBERS, Kind.KEYPOINTS: KEYPOINT_NUMBERS}
PREFIXES = {Kind.BOXES: "", Kind.MASKS: "mask_", Kind.KEYPOINTS: "keypoint_"}
CATEGORY_PREFIXES = {Kind.BOXES: "", Kind.MASKS: "mask ", Kind.KEYPOINTS: "keypoints "}


def summarize(kind: Kind, curves: Curves) -> dict[str, float]:
    """The 12 numbers of boxes or masks, or the 10 of keypoints: means over the entries that are not -1.

    Args:
        kind: What was compared.
        curves: Precision and recall.

    Returns:
        Name to number; -1 where no category has an object in the area range.
    """
    return {
        PREFIXES[kind] + number.name.format(limit=curves.limits[-1]): _mean(_entries(curves, number))
        for number in NUMBERS[kind]
    }


def summarize_categories(kind: Kind, curves: Curves, names: Mapping[int, str]) -> dict[str, float]:
    """The same numbers for each category by itself.

    Args:
        kind: What was compared.
        curves: Precision and recall.
        names: Category id to the name to show; ids without one are shown themselves.

    Returns:
        Name to number; -1 where the category has no object in the area range.
    """
    shown = _names(curves.categories, names)
    results = {}
    for number in NUMBERS[kind]:
        entries = _entries(curves, number)
        key = CATEGORY_PREFIXES[kind] + number.by_category.format(limit=curves.limits[-1])
        for index, name in enumerate(shown):
            results[f"{key}/{name}"] = _mean(entries[..., index])
    return results


def _entries(curves: Curves, number: Number) -> np.ndarray:
    """The entries that a number is the mean of, `[..., K]`."""
    array = curves.precision if number.of_precision else curves.recall
    array = array[..., curves.area_ranges.index(number.area), number.limit]
    if number.threshold is not None:
        array = array[np.isclose(curves.iou_thresholds, number.threshold)]
    return array


def _mean(entries: np.ndarray) -> float:
    defined = entries[entries > UNDEFINED]
    return float(defined.mean()) if defined.size else UNDEFINED


def _names(categories: Sequence[int], names: Mapping[int, str]) -> list[str]:
    """A name for each category; where two share one, the id is added."""
    shown = [names.get(category, str(category)) for category in categories]
    return [
        name if shown.count(name) == 1 else f"{name} ({category})"
        for name, category in zip(shown, categories, strict=True)
    ]
