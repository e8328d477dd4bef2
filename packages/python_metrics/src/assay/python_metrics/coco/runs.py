"""Masks as runs of set pixels, many masks in one set of arrays.

The pixels of an image are numbered from top to bottom and then from left to right, `x * height + y`, as in COCO's
run-length encoding. A mask is a list of runs `[start, start + length)`, increasing and disjoint: some hundred bytes,
whatever the size of the image.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from assay.python_metrics.coco.segments import chunks, expand
from assay.python_metrics.coco.table import Table

RUNS_AT_ONCE = 2**20  # bounds the memory


@dataclass(frozen=True, eq=False)
class Runs:
    """The runs of `n` masks, one mask after the other.

    Attributes:
        counts: `[n]` how many runs each mask has.
        start: `[sum(counts)]` number of the first pixel of each run, int32.
        length: `[sum(counts)]` int32, positive.
    """

    counts: np.ndarray
    start: np.ndarray
    length: np.ndarray

    def __len__(self) -> int:
        return len(self.counts)

    @property
    def first(self) -> np.ndarray:
        """`[n]` index of the first run of each mask."""
        return np.cumsum(self.counts) - self.counts

    def take(self, indices: np.ndarray) -> "Runs":
        """Some of the masks, by index or by a bool each."""
        _, runs = expand(self.first[indices], self.counts[indices])
        return Runs(self.counts[indices], self.start[runs], self.length[runs])

    def areas(self) -> np.ndarray:
        """Pixels of each mask, `[n]` float64."""
        areas = np.zeros(len(self))
        some = np.flatnonzero(self.counts)
        if len(some):
            areas[some] = np.add.reduceat(self.length, self.first[some], dtype=np.int64)
        return areas

    def ends(self) -> np.ndarray:
        """The pixel after the last one of each mask, `[n]` int64; 0 for an empty mask."""
        ends = np.zeros(len(self), np.int64)
        some = np.flatnonzero(self.counts)
        last = self.first[some] + self.counts[some] - 1
        ends[some] = self.start[last].astype(np.int64) + self.length[last]
        return ends

    def bounds(self, heights: np.ndarray) -> np.ndarray:
        """The smallest box around each mask, `[n, 4]` float64: ymin, xmin, ymax, xmax; zeros for an empty mask.

        Args:
            heights: `[n]` height of the image of each mask.
        """
        bounds = np.zeros((len(self), 4))
        some = np.flatnonzero(self.counts)
        first, counts = self.first[some], self.counts[some].astype(np.int64)
        for start, end in chunks(counts, RUNS_AT_ONCE):
            part = slice(first[start], first[end - 1] + counts[end - 1])
            height = np.repeat(heights[some[start:end]], counts[start:end])
            bounds[some[start:end]] = _bounds(
                self.start[part], self.length[part], height, first[start:end] - part.start
            )
        return bounds


def _bounds(start: np.ndarray, length: np.ndarray, height: np.ndarray, first: np.ndarray) -> np.ndarray:
    """The boxes of masks that have runs; `first` is the first run of each."""
    left, top = np.divmod(start, height)
    right, bottom = np.divmod(start + length - 1, height)
    # A run that goes on in the next column touches both ends of a column.
    wraps = right > left
    top[wraps], bottom[wraps] = 0, height[wraps] - 1
    last = np.append(first[1:], len(start)) - 1
    edges = (np.minimum.reduceat(top, first), left[first], np.maximum.reduceat(bottom, first) + 1, right[last] + 1)
    return np.stack(edges, axis=1)


def joined(parts: Sequence[Runs]) -> Runs:
    """The masks of several sets, one set after the other."""
    empty = Runs(np.zeros(0, np.int32), np.zeros(0, np.int32), np.zeros(0, np.int32))
    columns = zip(*((part.counts, part.start, part.length) for part in [empty, *parts]), strict=True)
    return Runs(*(np.concatenate(column) for column in columns))


def of_images(masks: np.ndarray) -> Runs:
    """Runs of masks as large as their image, `[n, height, width]` bool."""
    found = [_of_image(mask) for mask in masks]
    empty = np.zeros(0, np.int32)
    return Runs(
        np.array([len(start) for start, _ in found], np.int32),
        np.concatenate([empty, *(start for start, _ in found)]).astype(np.int32),
        np.concatenate([empty, *(length for _, length in found)]).astype(np.int32),
    )


def _of_image(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Starts and lengths of the runs of one mask, `[height, width]` bool; none of them crosses a column."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return rows, rows
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    stride = bottom - top + 1  # with a clear pixel below each column, which ends its last run
    framed = np.zeros(1 + (right - left) * stride, bool)
    framed[1:].reshape(-1, stride)[:, :-1] = mask[top:bottom, left:right].T
    edges = np.flatnonzero(framed[1:] != framed[:-1])
    column, row = np.divmod(edges[::2], stride)
    return (left + column) * len(mask) + top + row, edges[1::2] - edges[::2]


class RunTable:
    """Masks that grow in number."""

    def __init__(self) -> None:
        self._masks = Table({"counts": (np.int32, ())})
        self._runs = Table({"start": (np.int32, ()), "length": (np.int32, ())})

    def append(self, runs: Runs) -> None:
        """Add masks."""
        self._masks.append({"counts": runs.counts})
        self._runs.append({"start": runs.start, "length": runs.length})

    def all(self) -> Runs:
        """All masks; valid until some are added."""
        return Runs(self._masks["counts"], self._runs["start"], self._runs["length"])
