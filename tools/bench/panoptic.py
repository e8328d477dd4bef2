"""Panoptic quality of 64 images of 480x640 with 14 segments each, in batches of 8.

The baseline does what the evaluation scripts of the panoptic task do: one number for the pair of segments of each
pixel, `np.unique` over all pixels, and a loop over the pairs that are there.
"""

from collections.abc import Callable

import numpy as np
from assay.python_metrics import PanopticQualityEvaluator

from tools.bench.paired import interleave, report

IMAGES, BATCH, HEIGHT, WIDTH = 64, 8, 480, 640
SEGMENTS, CATEGORIES, THINGS = 14, 133, 80
GRAIN, SHIFT = 8, 6  # segments have edges on a grid of so many pixels; predictions are moved by up to so many
ROUNDS = 5
PAIR = 1 << 31  # above every number of a segment

Sides = tuple[dict[str, np.ndarray], dict[str, np.ndarray]]


def batches() -> list[Sides]:
    """Images whose segments are the cells around random points; the predictions are the same, moved."""
    random = np.random.default_rng(0)
    made = []
    rows, columns = np.mgrid[:HEIGHT:GRAIN, :WIDTH:GRAIN]
    for start in range(0, IMAGES, BATCH):
        points = random.random((BATCH, SEGMENTS, 2)) * (HEIGHT, WIDTH)
        place = np.stack([rows, columns], axis=-1)[None, :, :, None]
        cells = ((place - points[:, None, None]) ** 2).sum(axis=-1).argmin(axis=-1)
        instances = cells.repeat(GRAIN, axis=1).repeat(GRAIN, axis=2).astype(np.int32)
        labels = random.integers(0, CATEGORIES, (BATCH, SEGMENTS), np.int32)
        categories = labels[np.arange(BATCH)[:, None, None], instances]
        truth = {"category_mask": categories, "instance_mask": instances}
        moved = tuple(random.integers(-SHIFT, SHIFT + 1, 2).tolist())
        found = {name: np.roll(array, moved, axis=(1, 2)) for name, array in truth.items()}
        made.append(({"source_id": np.arange(start, start + BATCH), **truth}, found))
    return made


def with_assay(data: list[Sides]) -> Callable[[], float]:
    """The mean panoptic quality with this repository's evaluator."""

    def run() -> float:
        metric = PanopticQualityEvaluator(CATEGORIES, ignored_label=255, merge_stuff=False)
        for truth, found in data:
            metric.update_state(truth, found)
        return metric.result()["PQ"]

    return run


def with_unique_pairs(data: list[Sides]) -> Callable[[], float]:
    """The same, image by image and pair by pair."""

    def run() -> float:
        iou, counts = np.zeros(CATEGORIES), np.zeros((CATEGORIES, 3))
        for truth, found in data:
            for row in range(BATCH):
                _add_image(iou, counts, *(_numbers(side, row) for side in (truth, found)))
        weight = counts @ (1.0, 0.5, 0.5)
        return float((iou[weight > 0] / weight[weight > 0]).mean())

    return run


def _numbers(side: dict[str, np.ndarray], row: int) -> np.ndarray:
    return side["category_mask"][row].astype(np.int64) * SEGMENTS + side["instance_mask"][row]


def _add_image(iou: np.ndarray, counts: np.ndarray, truth: np.ndarray, found: np.ndarray) -> None:
    areas = [
        dict(zip(*(part.tolist() for part in np.unique(side, return_counts=True)), strict=True))
        for side in (truth, found)
    ]
    pairs = np.unique(truth * PAIR + found, return_counts=True)
    matched: tuple[set[int], set[int]] = (set(), set())
    for pair, shared in zip(*(part.tolist() for part in pairs), strict=True):
        one, other = divmod(pair, PAIR)
        share = shared / (areas[0][one] + areas[1][other] - shared)
        if one // SEGMENTS == other // SEGMENTS and share > 0.5:
            iou[one // SEGMENTS] += share
            counts[one // SEGMENTS, 0] += 1
            matched[0].add(one)
            matched[1].add(other)
    for column, (area, done) in enumerate(zip(areas, matched, strict=True), start=1):
        for segment in area.keys() - done:
            counts[segment // SEGMENTS, column] += 1


def main() -> None:
    """Print the comparison."""
    data = batches()
    alternatives = {"np.unique over pairs": with_unique_pairs(data), "assay": with_assay(data)}
    results = {name: run() for name, run in alternatives.items()}
    if np.ptp(list(results.values())) > 1e-12:
        raise AssertionError(f"The alternatives differ: {results}.")
    print(report(f"Panoptic quality of {IMAGES} images", interleave(alternatives, rounds=ROUNDS), per=IMAGES))


if __name__ == "__main__":
    main()
