"""What the losses of detectors refuse alike: shapes that differ, and labels that lack a level."""

from collections.abc import Mapping
from typing import Any


def check_same_shape(name: str, targets: Any, outputs: Any) -> None:
    """Refuse targets of another shape than the outputs.

    Raises:
        ValueError: If the shapes differ.
    """
    if targets.shape.rank != outputs.shape.rank or not targets.shape.is_compatible_with(outputs.shape):
        raise ValueError(f"The targets of {name} must have shape {outputs.shape}, received {targets.shape}.")


def check_ids(name: str, ids: Any, shape: Any) -> None:
    """Refuse class ids of another shape than that of the boxes or masks.

    Raises:
        ValueError: If the shapes differ.
    """
    if ids.shape.rank != shape.rank or not ids.shape.is_compatible_with(shape):
        raise ValueError(f"`{name}` must be one id for each of the outputs, {shape}. Received shape {ids.shape}.")


def check_levels(name: str, labels: Any, outputs: Any) -> None:
    """Refuse labels and outputs that are no mappings of levels, and labels that lack a level of the outputs.

    Raises:
        ValueError: If a level is missing, or there is none.
    """
    for what, side in (("outputs", outputs), ("labels", labels)):
        if not isinstance(side, Mapping):
            raise ValueError(f"The {what} of {name} must be a mapping of levels. Received {type(side).__name__}.")
    missing = [level for level in outputs if level not in labels]
    if missing or not outputs:
        raise ValueError(
            f"The outputs of {name} have the levels {list(outputs)}, and its labels {list(labels)}. Missing: {missing}."
        )
