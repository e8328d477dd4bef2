"""What a run tells while it runs: a live bar on a terminal, plain lines elsewhere."""

import contextlib
import numbers
import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any, TextIO

PHASES = ("train", "eval", "checkpoint")
"""What the time of a run is spent on."""

WORTH_TELLING_SECONDS = 0.05
"""A run that ended sooner, by a mistake mostly, does not tell where its time went."""


class Progress:
    """Reports nothing, and keeps the time spent in each phase. The base of the others, and a choice for silence.

    Attributes:
        seconds: Time spent so far, by phase.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = dict.fromkeys(PHASES, 0.0)
        self.phase_now: str | None = None
        self._since = 0.0

    @contextlib.contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Count the time of a `with` to a phase; a phase inside another takes its time from it."""
        outer, outer_since = self.phase_now, self._since
        started = time.perf_counter()
        self.phase_now, self._since = name, started
        try:
            yield
        finally:
            elapsed = time.perf_counter() - started
            self.seconds[name] += elapsed
            if outer is not None:
                self.seconds[outer] -= elapsed
            self.phase_now, self._since = outer, outer_since

    def seconds_so_far(self) -> dict[str, float]:
        """Return `seconds` with the time of the phase that goes on."""
        seconds = dict(self.seconds)
        if self.phase_now is not None:
            seconds[self.phase_now] += time.perf_counter() - self._since
        return seconds

    def begin_training(self, step: int, total: int) -> None:
        """Say that training goes on from `step` towards `total`."""

    def advance(self, steps: int) -> None:
        """Say that so many more training steps are done."""

    def advance_eval(self, steps: int) -> None:
        """Say that so many more evaluation steps are done."""

    def report(self, kind: str, *, step: int, logs: Mapping[str, Any], seconds: float) -> None:
        """Show the logs of a training loop or an evaluation (`kind` is `train` or `eval`) that took so long."""

    def message(self, text: str) -> None:
        """Show one line."""

    def close(self) -> None:
        """Show the end, with where the time went. Calling it again does nothing."""


class LineProgress(Progress):
    """One line for each loop, evaluation and checkpoint, for files and pipes.

    Args:
        stream: Where to write; the standard output of the moment when None.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        super().__init__()
        self._stream = stream
        self._closed = False

    def report(self, kind: str, *, step: int, logs: Mapping[str, Any], seconds: float) -> None:
        """Write a line such as `train | step:    100 | steps/sec:  250.0 | training_loss: 0.52 | ...`."""
        self.message(summary_line(kind, step=step, logs=logs, seconds=seconds))

    def message(self, text: str) -> None:
        """Write one line."""
        stream = self._stream or sys.stdout
        stream.write(f"{text}\n")
        stream.flush()

    def close(self) -> None:
        """Write where the time went."""
        if not self._closed and sum(self.seconds.values()) >= WORTH_TELLING_SECONDS:
            self.message(f"time | {time_spent(self.seconds)}")
        self._closed = True


def default_progress(stream: TextIO | None = None) -> Progress:
    """Return a live bar when `stream`, the standard output if None, is a terminal; plain lines otherwise."""
    if (stream or sys.stdout).isatty():
        from assay.core.live_progress import LiveProgress

        return LiveProgress(stream)
    return LineProgress(stream)


def summary_line(kind: str, *, step: int, logs: Mapping[str, Any], seconds: float) -> str:
    """Return one line with the step, the speed or the time, and every plain number among the logs."""
    parts = [f"{kind:>5}", f"step: {step:6d}"]
    speed = logs.get("steps_per_second")
    if speed is not None:
        parts.append(f"steps/sec: {float(speed):6.1f}")
    if kind == "eval":
        parts.append(f"eval time: {seconds:6.1f} sec")
    parts += [f"{name}: {number:.6g}" for name, number in plain_numbers(logs) if name != "steps_per_second"]
    return " | ".join(parts)


def plain_numbers(logs: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    """Yield the scalars among nested logs, the names of a nested one joined by slashes."""
    for name, value in logs.items():
        if isinstance(value, Mapping):
            yield from plain_numbers(value, f"{prefix}{name}/")
        elif isinstance(value, numbers.Number) or getattr(value, "ndim", None) == 0:
            yield f"{prefix}{name}", float(value)


def time_spent(seconds: Mapping[str, float]) -> str:
    """Return `train 12.3 s, eval 1.2 s, checkpoint 0.4 s`."""
    return ", ".join(f"{name} {value:.1f} s" for name, value in seconds.items())
