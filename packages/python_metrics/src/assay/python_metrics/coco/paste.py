"""Masks that were predicted for a box each, laid into their image."""

import numpy as np
from assay.python_metrics.coco.runs import Runs
from assay.python_metrics.coco.segments import chunks, places

THRESHOLD = 0.5
COLUMNS_AT_ONCE = 2**14  # so many columns of some thirty cells stay in a processor's cache
TIE = 1e-6  # pixels: an edge so near to the centre of a pixel runs through it, and the pixel is not above the threshold
FARTHEST = 2**30


def paste(masks: np.ndarray, boxes: np.ndarray, heights: np.ndarray, widths: np.ndarray) -> Runs:
    """Resize masks to their boxes and set the pixels above one half.

    A border of zeros, one cell wide, is put around the mask and the box grown accordingly and cut to whole pixels. The
    mask is interpolated linearly; a pixel is set when the value at its centre is above one half. Columns are
    interpolated between the cells; along a column, where the value crosses one half follows from the cells on both
    sides, so that pixels need not be looked at one by one.

    Args:
        masks: `[n, rows, columns]`, values in [0, 1].
        boxes: `[n, 4]` float64: x, y, width, height in pixels of the image.
        heights: `[n]` height of the image of each mask.
        widths: `[n]` width of the image of each mask.

    Returns:
        The runs of the `n` masks.

    References:
        He et al., "Mask R-CNN", 2017, https://arxiv.org/abs/1703.06870, section 3: the predicted mask "is then resized
        to the RoI size, and binarized at a threshold of 0.5".
    """
    count, rows, columns = masks.shape
    framed = np.zeros((count, columns + 2, rows + 2), np.float32)
    framed[:, 1:-1, 1:-1] = masks.transpose(0, 2, 1)
    low, size = _grown(boxes, max((rows + 2) / rows, (columns + 2) / columns))
    left = np.clip(low[:, 0], 0, widths)
    across = np.clip(low[:, 0] + size[:, 0], 0, widths) - left
    runs: list[tuple[np.ndarray, ...]] = []
    for start, end in chunks(across, COLUMNS_AT_ONCE):
        mask = np.repeat(np.arange(start, end), across[start:end])
        x = left[mask] + places(np.cumsum(across[start:end]) - across[start:end], len(mask))
        runs.append(_columns(framed, low, size, heights, mask, x))
    if not runs:
        return Runs(np.zeros(count, np.int32), np.zeros(0, np.int32), np.zeros(0, np.int32))
    owner, first, length = (np.concatenate(parts) for parts in zip(*runs, strict=True))
    counts = np.bincount(owner, minlength=count).astype(np.int32)
    return Runs(counts, first.astype(np.int32), length.astype(np.int32))


def _grown(boxes: np.ndarray, factor: float) -> tuple[np.ndarray, np.ndarray]:
    """The first pixel (x, y) of each box that is larger by a factor, and its size in pixels, `[n, 2]` int64 both."""
    half = boxes[:, 2:] * 0.5
    centre = boxes[:, :2] + half
    low, high = (
        np.clip(edge, -FARTHEST, FARTHEST).astype(np.int64) for edge in (centre - half * factor, centre + half * factor)
    )
    return low, np.maximum(high - low + 1, 1)


def _columns(
    framed: np.ndarray, low: np.ndarray, size: np.ndarray, heights: np.ndarray, mask: np.ndarray, x: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The runs of some columns: their masks, first pixels and lengths.

    Args:
        framed: `[n, columns, rows]` float32: the masks, turned, with their border.
        low: `[n, 2]` first pixel of each box.
        size: `[n, 2]` pixels of each box.
        heights: `[n]` heights of the images.
        mask: `[c]` mask that each column belongs to.
        x: `[c]` its pixel column in the image.
    """
    cells_across, cells_down = framed.shape[1:]
    place = (x - low[mask, 0] + 0.5) * (cells_across / size[mask, 0]) - 0.5
    place = np.clip(place, 0, cells_across - 1)
    cell = np.minimum(place.astype(np.int64), cells_across - 2)
    share = (place - cell).astype(np.float32)[:, None]
    at = mask * cells_across + cell
    flat = framed.reshape(-1, cells_down)
    values = flat[at] * (1 - share)
    values += flat[at + 1] * share
    above = values > THRESHOLD
    # The border is below the threshold, so that each column crosses it upwards and downwards in turn.
    edges = np.flatnonzero(above[:, 1:] != above[:, :-1])
    column, cell = np.divmod(edges, cells_down - 1)
    before = values[column, cell].astype(np.float64)
    after = values[column, cell + 1].astype(np.float64)
    owner = mask[column]
    crossing = (cell + (THRESHOLD - before) / (after - before) + 0.5) * (size[owner, 1] / cells_down) - 0.5
    nearest = np.rint(crossing)
    crossing = np.where(np.abs(crossing - nearest) < TIE, nearest, crossing) + low[owner, 1]
    height = heights[owner[::2]]
    start = np.maximum(np.floor(crossing[::2]).astype(np.int64) + 1, 0)
    end = np.minimum(np.ceil(crossing[1::2]).astype(np.int64), height)
    some = end > start
    first = x[column[::2]] * height + start
    return owner[::2][some], first[some], (end - start)[some]
