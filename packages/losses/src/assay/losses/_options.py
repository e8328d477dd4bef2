"""Options as JSON holds them, checked where they are given, so that a mistake does not become a wrong loss."""

import math
from collections.abc import Iterable, Mapping


def optional_int(value: int | None, *, option: str = "ignore_label") -> int | None:
    """A whole number, or None.

    Raises:
        ValueError: If it is no whole number.
    """
    return None if value is None else whole(value, option=option)


def whole(value: int, *, option: str) -> int:
    """A whole number, in any type that holds one.

    Raises:
        ValueError: If it is no whole number.
    """
    try:
        number = int(value)
        exact = number == value
    except (TypeError, ValueError, OverflowError):
        exact = False
    if not exact:
        raise ValueError(f"`{option}` must be a whole number. Received: {value!r}.")
    return number


def optional_floats(values: Iterable[float] | None, *, option: str = "class_weights") -> list[float] | None:
    """Numbers >= 0, one per class in the order of the ids, or None.

    Raises:
        ValueError: If they are no row of finite numbers >= 0.
    """
    if values is None:
        return None
    if isinstance(values, Mapping):
        raise ValueError(
            f"`{option}` must be a sequence with one number per class, in the order of the ids. Received a mapping, "
            f"{dict(values)!r}, as Keras' `fit(class_weight=...)` takes it: list its values."
        )
    try:
        numbers = [float(value) for value in values]
    except (TypeError, ValueError):
        raise ValueError(f"`{option}` must be a sequence with one number per class. Received: {values!r}.") from None
    if not all(math.isfinite(number) and number >= 0.0 for number in numbers):
        raise ValueError(f"`{option}` must be finite numbers >= 0. Received: {numbers!r}.")
    return numbers


def check_above_zero(value: float, *, option: str) -> None:
    """Refuse a number that is not above 0, or not finite.

    Raises:
        ValueError: If it is not in (0, infinity).
    """
    if not 0.0 < value < math.inf:
        raise ValueError(f"`{option}` must be above 0 and finite. Received: {value!r}.")


def check_not_negative(value: float, *, option: str) -> None:
    """Refuse a number below 0, or one that is not finite.

    Raises:
        ValueError: If it is not in [0, infinity).
    """
    if not 0.0 <= value < math.inf:
        raise ValueError(f"`{option}` must be a finite number >= 0. Received: {value!r}.")
