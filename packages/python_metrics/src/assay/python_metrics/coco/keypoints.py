"""Object keypoint similarity of pairs, which takes the place of intersection over union for keypoints."""

from collections.abc import Sequence

import numpy as np

# Standard deviations of annotators relative to the object's scale, of COCO's 17 keypoints of people: nose, eyes, ears,
# shoulders, elbows, wrists, hips, knees, ankles.
COCO_SIGMAS = (
    *(0.026, 0.025, 0.025, 0.035, 0.035, 0.079, 0.079, 0.072, 0.072),
    *(0.062, 0.062, 0.107, 0.107, 0.087, 0.087, 0.089, 0.089),
)
PAIRS_AT_ONCE = 2**14  # bounds the memory
TINY = np.spacing(1)


class KeypointOverlap:
    """Similarities of detections and objects, looked up by index.

    With `d` the distance of two keypoints, `a` the area of the object and `s` the keypoint's sigma, the similarity is
    the mean of `exp(-d**2 / (2 * a * (2 * s)**2))` over the labelled keypoints of the object. Of an object without a
    labelled one, `d` is the distance to its box grown to three times its size, over all keypoints.

    Args:
        found: `[D, k, 2]` keypoints (x, y) of the detections, in pixels.
        objects: `[G, k, 2]` keypoints of the objects.
        labelled: `[G, k]` bool: which of them are.
        boxes: `[G, 4]` boxes of the objects: x, y, width, height.
        areas: `[G]` their areas in pixels squared.
        sigmas: `[k]`.

    References:
        COCO, "Keypoint Evaluation", https://cocodataset.org/#keypoints-eval.
    """

    def __init__(
        self,
        found: np.ndarray,
        objects: np.ndarray,
        labelled: np.ndarray,
        boxes: np.ndarray,
        areas: np.ndarray,
        sigmas: Sequence[float],
    ) -> None:
        self._found, self._objects, self._labelled, self._areas = found, objects, labelled, areas
        self._variances = (np.asarray(sigmas, np.float64) * 2) ** 2
        self._low = boxes[:, :2] - boxes[:, 2:]
        self._high = boxes[:, :2] + boxes[:, 2:] * 2

    def __call__(self, found: np.ndarray, objects: np.ndarray) -> np.ndarray:
        """Similarity of each detection to the object beside it, `[P]` float64 in [0, 1]."""
        parts = [
            self._similarity(found[start : start + PAIRS_AT_ONCE], objects[start : start + PAIRS_AT_ONCE])
            for start in range(0, len(found), PAIRS_AT_ONCE)
        ]
        return np.concatenate([np.zeros(0), *parts])

    def _similarity(self, found: np.ndarray, objects: np.ndarray) -> np.ndarray:
        points, labelled = self._found[found], self._labelled[objects]
        bare = ~labelled.any(axis=1)
        low, high = self._low[objects][:, None], self._high[objects][:, None]
        outside = np.maximum(low - points, 0) + np.maximum(points - high, 0)
        apart = np.where(bare[:, None, None], outside, points - self._objects[objects])
        area = self._areas[objects][:, None] + TINY
        error = (apart**2).sum(axis=2) / self._variances / area / 2
        counted = labelled | bare[:, None]
        return np.where(counted, np.exp(-error), 0).sum(axis=1) / counted.sum(axis=1)


def extents(points: np.ndarray) -> np.ndarray:
    """Area of the box around the keypoints of each detection, `[D]` float64: what COCO takes for its area."""
    if not len(points):
        return np.zeros(0)
    return (points.max(axis=1) - points.min(axis=1)).prod(axis=1)
