"""The total of what a loss function returned, which may return its terms too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_TOTAL_KEYS = ("total_loss", "loss")


def total_loss(result: Any) -> Any:
    """Return the total of what `build_losses` returned: itself, the first of a tuple, or a mapping's total."""
    if isinstance(result, Mapping):
        return next((result[key] for key in _TOTAL_KEYS if key in result), None)
    if isinstance(result, list | tuple):
        return result[0] if result else None
    return result
