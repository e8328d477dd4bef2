"""The numbers that are reported, by the names that they are known by, from precision and recall."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

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
        frequency: Which categories it is the mean of, by how often they are in the training data; None for all.
    """

    name: str
    by_category: str
    of_precision: bool
    threshold: float | None = None
    area: str = "all"
    limit: int = -1
    frequency: str | None = None


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
FREQUENCIES = {"r": "rare", "c": "common", "f": "frequent"}
FEDERATED_NUMBERS = (
    *DETECTION_NUMBERS[:6],
    *(Number(f"AP{short}", "", of_precision=True, frequency=short) for short in FREQUENCIES),
    Number("AR@{limit}", f"{_AR}@{{limit}} ByCategory", of_precision=False),
    *(
        Number(f"AR{short}@{{limit}}", f"{_AR} ({area}) ByCategory", of_precision=False, area=area)
        for short, area in _AREAS
    ),
)
NUMBERS = {Kind.BOXES: DETECTION_NUMBERS, Kind.MASKS: DETECTION_NUMBERS, Kind.KEYPOINTS: KEYPOINT_NUMBERS}
PREFIXES = {Kind.BOXES: "", Kind.MASKS: "mask_", Kind.KEYPOINTS: "keypoint_"}
CATEGORY_PREFIXES = {Kind.BOXES: "", Kind.MASKS: "mask ", Kind.KEYPOINTS: "keypoints "}


def summarize(
    kind: Kind,
    curves: Curves,
    *,
    numbers: Sequence[Number] | None = None,
    frequencies: Mapping[int, str] = MappingProxyType({}),
) -> dict[str, float]:
    """The numbers of a kind: means over the entries that are not -1.

    Args:
        kind: What was compared.
        curves: Precision and recall.
        numbers: Which ones; by default COCO's 12 of boxes or masks, or 10 of keypoints.
        frequencies: Category id to how often it is in the training data, for the numbers that ask for that.

    Returns:
        Name to number; -1 where no category has an object in the area range.
    """
    frequency = np.array([frequencies.get(category) for category in curves.categories], object)
    results = {}
    for number in numbers or NUMBERS[kind]:
        entries = _entries(curves, number)
        if number.frequency is not None:
            entries = entries[..., frequency == number.frequency]
        results[PREFIXES[kind] + number.name.format(limit=curves.limits[-1])] = _mean(entries)
    return results


def summarize_categories(
    kind: Kind, curves: Curves, names: Mapping[int, str], *, numbers: Sequence[Number] | None = None
) -> dict[str, float]:
    """The same numbers for each category by itself.

    Args:
        kind: What was compared.
        curves: Precision and recall.
        names: Category id to the name to show; ids without one are shown themselves.
        numbers: Which ones, by default as for `summarize`; those of groups of categories are left out.

    Returns:
        Name to number; -1 where the category has no object in the area range.
    """
    shown = _names(curves.categories, names)
    results = {}
    for number in numbers or NUMBERS[kind]:
        if number.frequency is not None:
            continue
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
