"""Compare the speed of alternatives fairly: interleaved rounds, the ratio of each round, the median of the ratios."""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

ROUNDS = 7


@dataclass(frozen=True)
class Timing:
    """The times of one alternative beside those of the baseline, in seconds, one per round."""

    name: str
    seconds: tuple[float, ...]
    baseline: tuple[float, ...]

    @property
    def median(self) -> float:
        """The median time of a round, in seconds."""
        return statistics.median(self.seconds)

    @property
    def ratios(self) -> tuple[float, ...]:
        """Time over the baseline's time in the same round: what is left when the machine slows down for both."""
        return tuple(mine / other for mine, other in zip(self.seconds, self.baseline, strict=True))

    @property
    def ratio(self) -> float:
        """The median of the paired ratios; below 1 is faster than the baseline."""
        return statistics.median(self.ratios)


def interleave(alternatives: Mapping[str, Callable[[], object]], *, rounds: int = ROUNDS) -> list[Timing]:
    """Time the alternatives in turn, `rounds` times over, after one untimed call of each.

    Args:
        alternatives: name to zero-argument callable; the first is the baseline. A callable does all its work before it
            returns (a TensorFlow result must be fetched).
        rounds: how often each is timed. The order is reversed every other round, so that neither always goes first.

    Returns:
        One `Timing` per alternative, in the order given.
    """
    names = list(alternatives)
    for name in names:
        alternatives[name]()
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for number in range(rounds):
        for name in names if number % 2 == 0 else reversed(names):
            started = time.perf_counter()
            alternatives[name]()
            seconds[name].append(time.perf_counter() - started)
    baseline = tuple(seconds[names[0]])
    return [Timing(name, tuple(seconds[name]), baseline) for name in names]


def report(title: str, timings: list[Timing], *, per: int = 1, unit: str = "ms") -> str:
    """Lay timings out as text: median time, median ratio and the spread of the ratios.

    Args:
        title: what was measured.
        timings: what `interleave` returned.
        per: how many units of work one call did; the time shown is per unit.
        unit: "s", "ms" or "us".
    """
    factor = {"s": 1.0, "ms": 1e3, "us": 1e6}[unit]
    width = max(len(timing.name) for timing in timings)
    lines = [title]
    for timing in timings:
        time_shown = timing.median / per * factor
        lines.append(
            f"  {timing.name:<{width}}  {time_shown:10.2f} {unit}   ratio {timing.ratio:5.2f}"
            f"   (rounds: {' '.join(f'{ratio:.2f}' for ratio in timing.ratios)})"
        )
    return "\n".join(lines)
