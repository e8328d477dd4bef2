"""Checks of constructor arguments that several metrics share."""

from collections.abc import Sequence


def check_choice(argument: str, value: str, allowed: Sequence[str]) -> str:
    """Return the value of an argument.

    Raises:
        ValueError: If it is not one of those allowed.
    """
    if value not in allowed:
        raise ValueError(f"`{argument}` must be one of {', '.join(map(repr, allowed))}. Received: {value!r}.")
    return value


def whole_number(argument: str, value: int, *, least: int = 1, most: int | None = None) -> int:
    """Return the value of an argument as an integer.

    Raises:
        ValueError: If it is no whole number, or out of range.
    """
    in_range = value >= least and (most is None or value <= most)
    if isinstance(value, bool) or int(value) != value or not in_range:
        expected = f"of at least {least}" if most is None else f"from {least} to {most}"
        raise ValueError(f"`{argument}` must be an integer {expected}. Received: {value!r}.")
    return int(value)
