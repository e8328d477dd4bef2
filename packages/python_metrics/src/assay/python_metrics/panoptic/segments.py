"""The segments of one image: the pairs that match, and those that nothing matches.

Neighbouring pixels mostly belong to the same segments, so that an image is looked at as runs of equal pixels, which are
some thousands where there are hundreds of thousands of pixels.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# A predicted segment that lies in void and crowd by more than this share is not counted.
IGNORED_SHARE = 0.5
VOID = -1
LARGEST_TABLE = 1 << 20


@dataclass(frozen=True)
class Segmentation:
    """An image cut into segments.

    Attributes:
        segments: `[runs]` int64: the number of the segment of each run of pixels, `VOID` where it has none.
        categories: `[segments]` int64: the category of each segment; each has at least one pixel.
        crowd: `[segments]` bool.
    """

    segments: np.ndarray
    categories: np.ndarray
    crowd: np.ndarray


@dataclass(frozen=True)
class Tally:
    """What the images so far have of each category; adding tallies adds images.

    Attributes:
        iou: `[num_categories]` float64, sum of the intersections over union of matching pairs.
        matched: `[num_categories]` int64, matching pairs (true positives).
        spurious: `[num_categories]` int64, predicted segments without a match (false positives).
        missed: `[num_categories]` int64, groundtruth segments without a match (false negatives).
    """

    iou: np.ndarray
    matched: np.ndarray
    spurious: np.ndarray
    missed: np.ndarray

    @classmethod
    def empty(cls, num_categories: int) -> "Tally":
        """The tally of no image."""
        counts = np.zeros((3, num_categories), np.int64)
        return cls(np.zeros(num_categories), *counts)

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            self.iou + other.iou,
            self.matched + other.matched,
            self.spurious + other.spurious,
            self.missed + other.missed,
        )


def runs_of(maps: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Cut pixels into runs over which no map changes.

    Args:
        maps: Arrays `[images, pixels]`.

    Returns:
        The first pixel of each run, `[runs]`, pixels being numbered through all images; and where in that array the
        runs of each image begin, `[images + 1]`.
    """
    images, pixels = maps[0].shape
    changes = np.zeros((images, pixels), bool)
    changes[:, :1] = True
    for one in maps:
        changes[:, 1:] |= one[:, 1:] != one[:, :-1]
    starts = np.flatnonzero(changes)
    return starts, np.searchsorted(starts, np.arange(images + 1) * pixels)


def cut(
    categories: np.ndarray,
    instances: np.ndarray,
    *,
    ignored_label: int,
    merged: np.ndarray,
    crowd: np.ndarray | None = None,
) -> Segmentation:
    """Cut an image into segments: the pixels of one category and instance.

    Args:
        categories: `[runs]` int64, category ids and `ignored_label`.
        instances: `[runs]` int64, any numbers.
        ignored_label: What void pixels have for a category.
        merged: `[num_categories]` bool, the categories of which all pixels are one segment.
        crowd: `[runs]` bool, the pixels of crowds; None when there are none. All crowd pixels of a category are one
            segment.
    """
    crowd = np.zeros(categories.shape, bool) if crowd is None else crowd
    used = categories != ignored_label
    categories, crowd = categories[used], crowd[used]
    # One number for category, instance and crowd.
    unique, instances = _numbered(instances[used])
    instances = np.where(merged[categories] | crowd, 0, instances)
    keys, numbers = _numbered((categories * max(1, len(unique)) + instances) * 2 + crowd)
    segments = np.full(used.shape, VOID, np.int64)
    segments[used] = numbers
    return Segmentation(segments, keys // 2 // max(1, len(unique)), keys % 2 == 1)


def tally(truth: Segmentation, found: Segmentation, lengths: np.ndarray, *, num_categories: int) -> Tally:
    """Match the segments of an image.

    Args:
        truth: The groundtruth.
        found: The prediction, of the same runs.
        lengths: `[runs]` how many pixels each run has.
        num_categories: Above every category.
    """
    rows, columns = len(truth.categories) + 1, len(found.categories) + 1  # the last ones are void
    pairs = (truth.segments % rows) * columns + found.segments % columns
    pixels = np.bincount(pairs, weights=lengths, minlength=rows * columns).astype(np.int64).reshape(rows, columns)
    shared, found_in_void = pixels[:-1, :-1], pixels[-1, :-1]
    truth_areas, found_areas = pixels[:-1].sum(axis=1), pixels[:, :-1].sum(axis=0)

    # What a prediction has in void is not held against it: it counts in no union.
    union = truth_areas[:, None] + (found_areas - found_in_void)[None, :] - shared
    same = truth.categories[:, None] == found.categories[None, :]
    countable = same & ~truth.crowd[:, None] & (union > 0)
    ious = np.divide(shared, union, out=np.zeros(shared.shape), where=countable)
    # An IoU above one half, so that each has one match at most; compared as whole numbers, without rounding.
    matching = countable & (2 * shared > union)
    truth_matched, found_matched = matching.any(axis=1), matching.any(axis=0)

    in_crowds = (shared * (same & truth.crowd[:, None])).sum(axis=0)
    ignored = found_in_void + in_crowds > IGNORED_SHARE * found_areas
    spurious = ~found_matched & ~ignored
    missed = ~truth_matched & ~truth.crowd
    where = np.nonzero(matching)
    matched_categories = truth.categories[where[0]]
    return Tally(
        np.bincount(matched_categories, weights=ious[where], minlength=num_categories),
        np.bincount(matched_categories, minlength=num_categories),
        np.bincount(found.categories[spurious], minlength=num_categories),
        np.bincount(truth.categories[missed], minlength=num_categories),
    )


def _numbered(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The different values, rising, and for each value its place among them; a table is faster than sorting."""
    if not values.size or int(values.max()) - int(values.min()) >= LARGEST_TABLE:
        unique, places = np.unique(values, return_inverse=True)
        return unique, places.ravel()
    low = values.min()
    there = np.zeros(values.max() - low + 1, bool)
    there[values - low] = True
    return np.nonzero(there)[0] + low, (np.cumsum(there) - 1)[values - low]
