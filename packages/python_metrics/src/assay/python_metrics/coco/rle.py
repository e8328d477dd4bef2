"""COCO's run-length encoding of masks, read and written.

A mask is `{"size": [height, width], "counts": ...}`. The counts are the lengths of clear and set runs in turn, from a
clear one on (which may be 0), over the pixels from top to bottom and then from left to right; or text made of them:
from the fourth on the difference to the count two before, in groups of 5 bits from the lowest on, each plus 32 when
more follow, plus 48 as a character; the highest bit of the last group is the sign.

References:
    COCO API, `common/maskApi.c`, https://github.com/cocodataset/cocoapi.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from assay.python_metrics.coco.runs import Runs
from assay.python_metrics.coco.segments import places

FIRST_CHARACTER, GROUP_BITS, MORE, SIGN = 48, 5, 0x20, 0x10


def decode(masks: Sequence[Mapping[str, Any]], sizes: np.ndarray) -> Runs:
    """Read masks.

    Args:
        masks: `n` masks; the counts of each are text, bytes, or whole numbers.
        sizes: `[n, 2]` height and width that each must have.

    Raises:
        ValueError: If a mask is no such mapping, or does not have its size.
    """
    plain: list[np.ndarray | None] = []
    texts = []
    for mask in masks:
        counts = mask.get("counts") if isinstance(mask, Mapping) else None
        if counts is None:
            raise ValueError(f"A mask must be a mapping with 'size' and 'counts'. Received: {mask!r:.80}.")
        text = counts.encode() if isinstance(counts, str) else counts
        if isinstance(text, bytes):
            texts.append(text)
            plain.append(None)
        else:
            plain.append(np.asarray(text, np.int64))
    read = iter(_split(*_numbers(texts)))
    lists = [next(read) if counts is None else counts for counts in plain]
    lengths = np.array([len(counts) for counts in lists], np.int64)
    joined = np.concatenate([np.zeros(0, np.int64), *lists])
    _check_sizes(masks, lists, sizes)
    first = np.cumsum(lengths) - lengths
    ends = np.cumsum(joined)
    starts = ends - joined
    starts -= np.repeat(starts[first[lengths > 0]], lengths[lengths > 0])
    owner = np.repeat(np.arange(len(lists)), lengths)
    chosen = (places(first, len(joined)) % 2 == 1) & (joined > 0)
    per_mask = np.bincount(owner[chosen], minlength=len(lists)).astype(np.int32)
    return Runs(per_mask, starts[chosen].astype(np.int32), joined[chosen].astype(np.int32))


def encode(runs: Runs, sizes: np.ndarray) -> list[dict[str, Any]]:
    """Write masks, with plain counts.

    Args:
        runs: `n` masks.
        sizes: `[n, 2]` height and width of the image of each.
    """
    masks = []
    for first, count, (height, width) in zip(runs.first, runs.counts, sizes.tolist(), strict=True):
        start = runs.start[first : first + count].astype(np.int64)
        edges = np.stack([start, start + runs.length[first : first + count]], axis=1).ravel()
        # A run that goes on where the one before ended (in the next column) is one run.
        between = np.repeat(edges[1:-1:2] != edges[2::2], 2)
        edges = edges[np.concatenate([[True], between, [True]])] if len(edges) else edges
        counts = np.diff(edges, prepend=0, append=height * width).tolist()
        masks.append({"size": [height, width], "counts": counts if counts[-1] else counts[:-1]})
    return masks


def _numbers(texts: Sequence[bytes]) -> tuple[np.ndarray, np.ndarray]:
    """The counts of all texts, one text after the other, and how many each has."""
    groups = np.frombuffer(b"".join(texts), np.uint8).astype(np.int64) - FIRST_CHARACTER
    last = groups & MORE == 0
    ends = np.flatnonzero(last)
    if not len(ends):
        return np.zeros(0, np.int64), np.zeros(len(texts), np.int64)
    starts = np.concatenate([[0], ends[:-1] + 1])
    place = places(starts, ends[-1] + 1)
    parts = (groups[: ends[-1] + 1] & (MORE - 1)) << (GROUP_BITS * place)
    numbers = np.add.reduceat(parts, starts)
    negative = groups[ends] & SIGN != 0
    numbers -= np.where(negative, np.int64(1) << (GROUP_BITS * (place[ends] + 1)), 0)
    boundaries = np.cumsum([len(text) for text in texts])
    per_text = np.diff(np.searchsorted(ends, boundaries - 1, side="right"), prepend=0)
    return numbers, per_text


def _split(numbers: np.ndarray, per_text: np.ndarray) -> list[np.ndarray]:
    """The counts of each text, from the differences."""
    lists = np.split(numbers, np.cumsum(per_text)[:-1]) if len(per_text) else []
    for counts in lists:
        counts[1::2] = np.cumsum(counts[1::2])
        counts[2::2] = np.cumsum(counts[2::2])
    return lists


def _check_sizes(masks: Sequence[Mapping[str, Any]], lists: Sequence[np.ndarray], sizes: np.ndarray) -> None:
    for mask, counts, size in zip(masks, lists, sizes.tolist(), strict=True):
        received = [int(side) for side in mask["size"]] if "size" in mask else size
        if received != size or int(counts.sum()) != size[0] * size[1] or (counts < 0).any():
            raise ValueError(
                f"A mask of an image of {size[0]} x {size[1]} (height x width) must have that size, and as many pixels "
                f"in its counts. Received: size {received}, {int(counts.sum())} pixels."
            )
