"""Arithmetic of steps."""


def next_multiple(step: int, interval: int) -> int:
    """Return the first multiple of `interval` after `step`."""
    return (step // interval + 1) * interval


def check_positive(name: str, value: int | None) -> None:
    """Raise a ValueError that names an argument which is neither None nor above 0."""
    if value is not None and value < 1:
        raise ValueError(f"`{name}` must be above 0; received {value}.")
