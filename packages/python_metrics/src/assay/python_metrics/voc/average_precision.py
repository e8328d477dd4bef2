"""Two ways to sum up a curve of precision over recall, of 2007 and of 2010."""

import numpy as np

# The recalls 0, 0.1, ..., 1 have no exact floats; recalls are quotients of counts, and two of them are never so close.
ROUNDING = 1e-12
RECALLS = np.arange(11) / 10


def eleven_points(recall: np.ndarray, precision: np.ndarray) -> float:
    """Mean, over the recalls 0, 0.1, ..., 1, of the best precision at that recall or a higher one; 0 where none is.

    Args:
        recall: `[n]`, rising, after each detection.
        precision: `[n]`.
    """
    reached = recall[None, :] >= RECALLS[:, None] - ROUNDING
    return float(np.where(reached, precision[None, :], 0.0).max(axis=1, initial=0.0).mean())


def area(recall: np.ndarray, precision: np.ndarray) -> float:
    """Area under the best precision at each recall or a higher one.

    Args:
        recall: `[n]`, rising, after each detection.
        precision: `[n]`.
    """
    best = np.maximum.accumulate(precision[::-1])[::-1]
    return float(np.sum(np.diff(recall, prepend=0.0) * best))
