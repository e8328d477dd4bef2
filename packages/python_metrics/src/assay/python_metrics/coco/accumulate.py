"""Precision and recall of all categories from the matches of their detections.

With the detections of a category in the order of their scores, `tp` and `fp` the numbers of right and wrong ones so far
(ignored ones are neither) and `n` the objects to be found, `recall = tp / n` and `precision = tp / (tp + fp)`. What is
kept is, for each recall threshold, the highest precision at that recall or a higher one.

Precision and recall rise only where a detection is right, so that the right ones, which are at most as many as the
objects, are all that is looked at; of the wrong ones it is enough to know how many came before.
"""

from collections.abc import Sequence

import numpy as np
from assay.python_metrics.coco.matching import MOST_BITS, Bits, Matches
from assay.python_metrics.coco.protocol import Protocol
from assay.python_metrics.coco.question import Objects, Question
from assay.python_metrics.coco.segments import runs_of, starts_of

UNDEFINED = -1.0
TINY = np.spacing(1)  # in the denominator of pycocotools' precision


def accumulate(
    matches: Matches, question: Question, protocol: Protocol, limits: Sequence[int]
) -> tuple[np.ndarray, np.ndarray]:
    """Compute precision and recall.

    Args:
        matches: What became of each detection.
        question: For the objects that were to be found.
        protocol: Thresholds, area ranges and limits.
        limits: Indices of the protocol's limits to compute precision for: it is the expensive part.

    Returns:
        Precision `[T, R, K, A, len(limits)]` and recall `[T, K, A, M]`, float64; -1 for a category without objects.
    """
    num_thresholds, num_recalls = len(protocol.iou_thresholds), len(protocol.recall_thresholds)
    num_categories, num_areas = question.num_categories, len(protocol.area_ranges)
    shape = (num_thresholds, num_recalls, num_categories, num_areas, len(limits))
    precision = np.full(shape, UNDEFINED)
    recall = np.full((num_thresholds, num_categories, num_areas, len(protocol.limits)), UNDEFINED)
    totals = _to_be_found(question.objects, protocol, num_categories)
    needed = _needed(totals, protocol.recall_thresholds)
    order = _by_score(matches.category, question.detections.score[matches.kept])
    category, rank = matches.category[order], matches.rank[order]
    hits = [bits[order] for bits in matches.hits]
    counted = [~bits[order] for bits in matches.ignored]
    everything = rank.max(initial=0) < np.array(protocol.limits)
    for number, (area, threshold) in enumerate(matches.combinations):
        defined = totals[area] > 0
        right = _bit(hits, number)
        at = np.flatnonzero(right)
        for index, limit in enumerate(protocol.limits):
            within = at if everything[index] else at[rank[at] < limit]
            found = np.bincount(category[within], minlength=num_categories)
            recall[threshold, defined, area, index] = found[defined] / totals[area, defined]
        counts = _bit(counted, number)
        for place, index in enumerate(limits):
            inside = None if everything[index] else rank < protocol.limits[index]
            within = at if inside is None else at[inside[at]]
            seen = np.cumsum(counts if inside is None else counts & inside, dtype=np.int32)
            values = _interpolated(within, seen, category, needed[area])
            precision[threshold, :, defined, area, place] = values[defined]
    return precision, recall


def _to_be_found(objects: Objects, protocol: Protocol, num_categories: int) -> np.ndarray:
    """How many objects of each category there are in each area range, `[A, K]`."""
    totals = np.zeros((len(protocol.area_ranges), num_categories), np.int64)
    for index, (low, high) in enumerate(protocol.area_ranges.values()):
        counts = ~(objects.ignore | (objects.area < low) | (objects.area > high))
        totals[index] = np.bincount(objects.category[counts], minlength=num_categories)
    return totals


def _needed(totals: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """How many more objects than one must be found for each recall threshold, `[A, K, R]`.

    It is the smallest `i >= 0` with `(i + 1) / total >= threshold`, in float64 as it is compared, so that the estimate
    from the product is put right on both sides.
    """
    total = np.maximum(totals, 1)[..., None]
    index = np.maximum(np.ceil(thresholds * total).astype(np.int64) - 1, 0)
    index -= (index > 0) & (index / total >= thresholds)
    index += (index + 1) / total < thresholds
    return index


def _by_score(category: np.ndarray, score: np.ndarray) -> np.ndarray:
    """Order detections that are sorted by category and image by falling score in each category; ties stay."""
    order = np.arange(len(category))
    for start, end in runs_of(category):
        order[start:end] = start + np.argsort(-score[start:end], kind="stable")
    return order


def _bit(blocks: list[Bits], number: int) -> np.ndarray:
    """One combination's bit of all detections, bool."""
    return (blocks[number // MOST_BITS] >> np.uint64(number % MOST_BITS)).astype(np.uint8) & 1 != 0


def _interpolated(at: np.ndarray, seen: np.ndarray, category: np.ndarray, needed: np.ndarray) -> np.ndarray:
    """The precision of each category at each recall threshold.

    Args:
        at: `[H]` places of the detections that are right, ordered by category.
        seen: `[N]` how many detections that count came up to each place, all categories together.
        category: `[N]` of all detections.
        needed: `[K, R]` which of its category's right detections, counted from 0, reaches each recall.

    Returns:
        `[K, R]` float64.
    """
    values = np.zeros(needed.shape)
    if not len(at):
        return values
    categories = category[at]
    starts = starts_of(categories)
    lengths = np.diff(starts, append=len(at))
    present = categories[starts]
    first = np.searchsorted(category, present)
    before = np.where(first > 0, seen[first - 1], 0)
    hits = np.arange(1, len(at) + 1) - np.repeat(starts, lengths)
    precision = hits / (seen[at] - np.repeat(before, lengths) + TINY)
    reached = needed[present] < lengths[:, None]
    # The places of the thresholds cut the right detections into stretches: the highest of each, then from the right
    # the highest of all stretches that follow in the category.
    edges = (starts[:, None] + needed[present])[reached]
    highest = np.zeros(reached.shape)
    highest[reached] = np.maximum.reduceat(precision, edges)
    values[present] = np.maximum.accumulate(highest[:, ::-1], axis=1)[:, ::-1]
    return values
