"""Runs of equal keys in sorted arrays, and pairs between runs, without a loop over them."""

import itertools

import numpy as np


def starts_of(keys: np.ndarray) -> np.ndarray:
    """The first index of each run of equal values of a sorted array, `[runs]`."""
    if not len(keys):
        return np.zeros(0, np.int64)
    return np.concatenate([[0], np.flatnonzero(keys[1:] != keys[:-1]) + 1])


def runs_of(keys: np.ndarray) -> list[tuple[int, int]]:
    """Start and end of each run of equal values of a sorted array."""
    starts = starts_of(keys).tolist()
    return list(zip(starts, [*starts[1:], len(keys)], strict=True)) if starts else []


def places(starts: np.ndarray, size: int) -> np.ndarray:
    """The place of each element in its run, from 0, `[size]` int64."""
    lengths = np.diff(starts, append=size)
    return np.arange(size) - np.repeat(starts, lengths)


def expand(starts: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lay runs out: for each owner `i` the indices `starts[i]`, ..., `starts[i] + counts[i] - 1`.

    Returns:
        The owner of each index and the index, `[sum(counts)]` int64 both, ordered by owner.
    """
    owners = np.repeat(np.arange(len(counts)), counts)
    ends = np.cumsum(counts)
    indices = np.arange(len(owners)) + np.repeat(starts - (ends - counts), counts)
    return owners, indices


def chunks(counts: np.ndarray, largest: int) -> list[tuple[int, int]]:
    """Cut owners into ranges with about `largest` pairs each; an owner is never cut."""
    ends = np.cumsum(counts)
    total = int(ends[-1]) if len(ends) else 0
    cuts = np.searchsorted(ends, np.arange(largest, total, largest), side="left") + 1
    edges = np.unique(np.concatenate([[0], np.minimum(cuts, len(counts)), [len(counts)]]))
    return [(int(start), int(end)) for start, end in itertools.pairwise(edges)]
