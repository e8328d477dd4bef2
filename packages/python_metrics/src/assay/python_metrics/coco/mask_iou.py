"""Intersection over union of pairs of masks.

The pixels that a detection's run shares with an object are those of the object before its end, less those before its
start; how many pixels of an object come before a place is looked up among its runs. All runs of all pairs are looked up
together. A pair whose boxes say that it cannot reach the lowest threshold is left out of that, and its overlap is 0.
"""

import numpy as np
from assay.python_metrics.coco.runs import RUNS_AT_ONCE, Runs
from assay.python_metrics.coco.segments import chunks, expand


class MaskOverlap:
    """Overlaps of detections and objects, looked up by index.

    Args:
        found: Masks of the `D` detections.
        objects: Masks of the `G` objects.
        found_heights: `[D]` heights of their images.
        object_heights: `[G]` likewise.
        crowd: `[G]` whether an object is a crowd: the overlap is then `intersection / area of the detection`.
        lowest: Overlaps below it may be given as 0.
    """

    def __init__(
        self,
        found: Runs,
        objects: Runs,
        *,
        found_heights: np.ndarray,
        object_heights: np.ndarray,
        crowd: np.ndarray,
        lowest: float,
    ) -> None:
        self._found, self._first = found, found.first
        self._found_areas, self._object_areas = found.areas(), objects.areas()
        self._found_bounds, self._object_bounds = found.bounds(found_heights), objects.bounds(object_heights)
        self._crowd, self._lowest = crowd, lowest
        # One sorted list of places for the runs of all objects: each object has a stretch of its own.
        self._stretch = 1 + max(int(masks.ends().max(initial=0)) for masks in (found, objects))
        owners = np.repeat(np.arange(len(objects)), objects.counts)
        self._places = np.concatenate([[-1], owners * self._stretch + objects.start])
        self._lengths = np.concatenate([[0], objects.length.astype(np.int64)])
        self._before = np.cumsum(self._lengths) - self._lengths

    def __call__(self, found: np.ndarray, objects: np.ndarray) -> np.ndarray:
        """Overlap of each detection with the object beside it, `[P]` float64 in [0, 1]."""
        area, object_area = self._found_areas[found], self._object_areas[objects]
        crowd = self._crowd[objects]
        most = np.minimum(np.minimum(area, object_area), self._shared_box(found, objects))
        union = np.where(crowd, area, area + object_area - most)
        possible = np.flatnonzero((most > 0) & (most >= self._lowest * union))
        overlap = np.zeros(len(found))
        shared = self._shared(found[possible], objects[possible])
        union = np.where(crowd, area, area + object_area)[possible] - np.where(crowd[possible], 0, shared)
        overlap[possible] = shared / union
        return overlap

    def _shared_box(self, found: np.ndarray, objects: np.ndarray) -> np.ndarray:
        mine, theirs = self._found_bounds[found], self._object_bounds[objects]
        sides = np.minimum(mine[:, 2:], theirs[:, 2:]) - np.maximum(mine[:, :2], theirs[:, :2])
        return np.maximum(sides, 0).prod(axis=1)

    def _shared(self, found: np.ndarray, objects: np.ndarray) -> np.ndarray:
        """Pixels that masks share, `[P]` float64."""
        shared = np.zeros(len(found))
        counts = self._found.counts[found].astype(np.int64)
        for start, end in chunks(counts, RUNS_AT_ONCE):
            owners, runs = expand(self._first[found[start:end]], counts[start:end])
            offset = objects[start:end][owners] * self._stretch
            first = offset + self._found.start[runs]
            pixels = self._up_to(first + self._found.length[runs]) - self._up_to(first)
            shared[start:end] = np.bincount(owners, weights=pixels, minlength=end - start)
        return shared

    def _up_to(self, places: np.ndarray) -> np.ndarray:
        """How many pixels of all objects, stretch after stretch, come before each place."""
        run = np.searchsorted(self._places, places, side="right") - 1
        return self._before[run] + np.minimum(places - self._places[run], self._lengths[run])
