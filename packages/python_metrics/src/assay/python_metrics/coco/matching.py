"""COCO's greedy matching of all images, categories, area ranges and IoU thresholds at once.

In an image and category, detections take objects in the order of their scores. Each takes, of the objects that are
free and overlap it by the threshold or more, one that counts if there is one, else an ignored one (a crowd, or an
object outside of the area range), and of those the one with the highest overlap, the last one where overlaps are equal.
A crowd stays free.

What makes this fast: only pairs that overlap by the lowest threshold are looked at, which are few; the groups (image
and category) do not touch each other, so that the n-th detections of all groups choose at the same time; and the
combinations of area range and threshold are the bits of one integer, so that all of them choose in one operation.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from assay.python_metrics.coco.protocol import Protocol
from assay.python_metrics.coco.question import Detections, Objects, Question
from assay.python_metrics.coco.segments import chunks, expand, places, runs_of, starts_of

MOST_BITS = 64
PAIRS_AT_ONCE = 2**19  # bounds the memory: overlaps of so many pairs are computed together
HIGHEST_THRESHOLD = 1 - 1e-10  # pycocotools': a perfect overlap is one, whatever its rounding

Bits = np.ndarray
"""`[n]` uint64, one bit a combination of area range and IoU threshold."""


@dataclass(frozen=True, eq=False)
class Matches:
    """What became of each detection that counts.

    Attributes:
        kept: `[N]` indices of the detections, ordered by category, image and falling score.
        category: `[N]` their categories.
        rank: `[N]` their places in their image and category, from 0.
        combinations: `[C]` pairs of area range and threshold (their indices); the bits are in this order.
        hits: One array of bits for each 64 combinations: whether the detection found an object.
        ignored: Likewise: whether it counts neither as right nor as wrong.
    """

    kept: np.ndarray
    category: np.ndarray
    rank: np.ndarray
    combinations: list[tuple[int, int]]
    hits: list[Bits]
    ignored: list[Bits]


@dataclass(frozen=True, eq=False)
class _Pairs:
    """Pairs that may match, in the order of choosing: pair `i` of slice `s` is the next choice of its detection."""

    found: np.ndarray
    objects: np.ndarray
    overlap: np.ndarray
    rounds: list[list[slice]]


def match(question: Question, protocol: Protocol, progress: Callable[[float], None]) -> Matches:
    """Match all detections.

    Args:
        question: What is to be found and what was found.
        protocol: Thresholds, area ranges and limits.
        progress: Is told what share of the work is done.

    Returns:
        The matches under every combination of area range and threshold.
    """
    kept, rank, group = _ordered(question.detections, question.num_images, protocol.limits[-1])
    pairs = _candidates(question, kept, group, min(protocol.iou_thresholds.min(), HIGHEST_THRESHOLD), progress)
    combinations = [(a, t) for a in range(len(protocol.area_ranges)) for t in range(len(protocol.iou_thresholds))]
    hits, ignored = [], []
    for start in range(0, len(combinations), MOST_BITS):
        block = _Block(protocol, combinations[start : start + MOST_BITS])
        matched = _choose(pairs, block, question.objects, len(kept))
        excused = block.outside(question.detections.area[kept]) | block.all_of(question.detections.excused[kept])
        hits.append(matched[0])
        ignored.append(matched[1] | (excused & ~(matched[0] | matched[1])))
        progress(0.5 + 0.5 * min(1.0, (start + MOST_BITS) / len(combinations)))
    return Matches(kept, question.detections.category[kept], rank, combinations, hits, ignored)


class _Block:
    """Up to 64 combinations of area range and threshold as bits."""

    def __init__(self, protocol: Protocol, combinations: list[tuple[int, int]]) -> None:
        bounds = list(protocol.area_ranges.values())
        self._by_area: dict[tuple[float, float], int] = {}
        self._by_threshold: dict[float, int] = {}
        self._all = 0
        for number, (area, threshold) in enumerate(combinations):
            bit = 1 << number
            lowest = min(float(protocol.iou_thresholds[threshold]), HIGHEST_THRESHOLD)
            self._by_area[bounds[area]] = self._by_area.get(bounds[area], 0) | bit
            self._by_threshold[lowest] = self._by_threshold.get(lowest, 0) | bit
            self._all |= bit

    def outside(self, area: np.ndarray) -> Bits:
        """The combinations whose area range an area is not in."""
        bits = np.zeros(len(area), np.uint64)
        for (low, high), mask in self._by_area.items():
            bits[(area < low) | (area > high)] |= np.uint64(mask)
        return bits

    def reached(self, overlap: np.ndarray) -> Bits:
        """The combinations whose threshold an overlap reaches."""
        bits = np.zeros(len(overlap), np.uint64)
        for lowest, mask in self._by_threshold.items():
            bits[overlap >= lowest] |= np.uint64(mask)
        return bits

    def all_of(self, flags: np.ndarray) -> Bits:
        """Every combination where a flag is set."""
        return np.where(flags, np.uint64(self._all), np.uint64(0))


def _ordered(detections: Detections, num_images: int, limit: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The detections within the limit by category, image and falling score, their places, and their groups."""
    group = detections.category * num_images + detections.image
    kept = np.lexsort((-detections.score, group))
    group = group[kept]
    rank = places(starts_of(group), len(group))
    if len(rank) and rank.max() >= limit:
        within = rank < limit
        kept, group, rank = kept[within], group[within], rank[within]
    return kept, rank.astype(np.int32), group


def _candidates(
    question: Question, kept: np.ndarray, group: np.ndarray, lowest: float, progress: Callable[[float], None]
) -> _Pairs:
    """All pairs of a group that overlap enough, laid out for choosing."""
    objects = question.objects
    object_group = objects.category * question.num_images + objects.image
    by_group = np.argsort(object_group, kind="stable")
    object_group = object_group[by_group]
    first = np.searchsorted(object_group, group, side="left")
    counts = np.searchsorted(object_group, group, side="right") - first
    with_objects = np.flatnonzero(counts)
    first, counts = first[with_objects], counts[with_objects]
    found, theirs, overlaps = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)], [np.zeros(0)]
    for start, end in chunks(counts, PAIRS_AT_ONCE):
        owners, indices = expand(first[start:end], counts[start:end])
        own = with_objects[start:end][owners]
        indices = by_group[indices]
        overlap = question.overlap(kept[own], indices)
        enough = overlap >= lowest
        found.append(own[enough])
        theirs.append(indices[enough])
        overlaps.append(overlap[enough])
        progress(0.5 * end / len(counts))
    return _laid_out(np.concatenate(found), np.concatenate(theirs), np.concatenate(overlaps), group)


def _laid_out(found: np.ndarray, objects: np.ndarray, overlap: np.ndarray, group: np.ndarray) -> _Pairs:
    """Order pairs by round (which detection of its group), then by choice (which object of its detection)."""
    by_choice = np.lexsort((-objects, -overlap, found))
    found, objects, overlap = found[by_choice], objects[by_choice], overlap[by_choice]
    starts = starts_of(found)
    choice = places(starts, len(found))
    round_of_detection = places(starts_of(group[found[starts]]), len(starts))
    round_of = np.repeat(round_of_detection, np.diff(starts, append=len(found)))
    most = int(choice.max(initial=0)) + 1
    slot = round_of * most + choice
    order = np.argsort(slot, kind="stable")
    rounds: list[list[slice]] = []
    for begin, end in runs_of(slot[order]):
        if slot[order[begin]] % most == 0:
            rounds.append([])
        rounds[-1].append(slice(begin, end))
    return _Pairs(found[order], objects[order], overlap[order], rounds)


def _choose(pairs: _Pairs, block: _Block, objects: Objects, num_detections: int) -> tuple[Bits, Bits]:
    """Let the detections choose, round by round; returns which found an object and which an ignored one."""
    ignored_object = block.outside(objects.area) | block.all_of(objects.ignore)
    stays_free = block.all_of(objects.crowd)
    reached = block.reached(pairs.overlap)
    counting = reached & ~ignored_object[pairs.objects]
    other = reached & ignored_object[pairs.objects]
    used = np.zeros(len(objects.area), np.uint64)
    hits = np.zeros(num_detections, np.uint64)
    ignored = np.zeros(num_detections, np.uint64)
    for choices in pairs.rounds:
        for part in choices:
            mine, theirs = pairs.found[part], pairs.objects[part]
            taken = counting[part] & ~(used[theirs] | hits[mine])
            used[theirs] |= taken
            hits[mine] |= taken
        for part in choices:
            wanted = other[part]
            if not wanted.any():
                continue
            mine, theirs = pairs.found[part], pairs.objects[part]
            taken = wanted & ~(used[theirs] | hits[mine] | ignored[mine])
            used[theirs] |= taken & ~stays_free[theirs]
            ignored[mine] |= taken
    return hits, ignored
