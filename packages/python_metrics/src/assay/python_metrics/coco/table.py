"""Arrays that grow together, one row an object: what millions of detections are kept in."""

from collections.abc import Mapping
from typing import Any

import numpy as np

SMALLEST_CAPACITY = 1024
GROWTH = 1.5  # amortises copying; at most a third of the memory waits for rows to come


class Table:
    """Columns of equal length in one array each.

    Args:
        layout: Name of each column to its dtype and to the shape of one row.
    """

    def __init__(self, layout: Mapping[str, tuple[Any, tuple[int, ...]]]) -> None:
        self._size = 0
        self._buffers = {name: np.empty((0, *shape), dtype) for name, (dtype, shape) in layout.items()}

    def __getstate__(self) -> dict[str, Any]:
        """What is pickled: the rows, without the room for those to come."""
        return {"_size": self._size, "_buffers": self.columns()}

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, name: str) -> np.ndarray:
        """All rows of a column, `[rows, ...]`; valid until rows are added."""
        return self._buffers[name][: self._size]

    def columns(self) -> dict[str, np.ndarray]:
        """All columns by name."""
        return {name: self[name] for name in self._buffers}

    def append(self, rows: Mapping[str, np.ndarray]) -> None:
        """Add rows: an array `[n, ...]` for each column."""
        counts = {len(rows[name]) for name in self._buffers}
        if len(counts) != 1:
            raise ValueError(f"The columns differ in length: { ({name: len(rows[name]) for name in self._buffers}) }.")
        end = self._size + counts.pop()
        for name, buffer in self._buffers.items():
            if end > len(buffer):
                capacity = max(end, int(len(buffer) * GROWTH), SMALLEST_CAPACITY)
                grown = np.empty((capacity, *buffer.shape[1:]), buffer.dtype)
                grown[: self._size] = buffer[: self._size]
                self._buffers[name] = buffer = grown
            buffer[self._size : end] = rows[name]
        self._size = end
