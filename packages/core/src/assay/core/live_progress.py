"""The live bar: steps per second, loss, time to go, and where the time goes."""

from collections.abc import Mapping
from typing import Any, TextIO

from assay.core.progress import WORTH_TELLING_SECONDS, Progress, summary_line, time_spent
from rich.console import Console
from rich.progress import BarColumn, ProgressColumn, Task, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress
from rich.text import Text

SPEED_WINDOW_SECONDS = 30.0
"""The speed and the time to go are estimated over so many seconds."""


class LiveProgress(Progress):
    """A bar at the bottom of the terminal; evaluations, checkpoints and messages scroll by above it.

    Args:
        stream: The terminal; the standard output when None.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        super().__init__()
        self._console = Console(file=stream, highlight=False)
        self._bar = RichProgress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.completed:.0f}/{task.total:.0f}"),
            _SpeedColumn(),
            TextColumn("{task.fields[loss]}"),
            TextColumn("ETA"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[spent]}"),
            TimeElapsedColumn(),
            console=self._console,
            speed_estimate_period=SPEED_WINDOW_SECONDS,
            transient=True,
        )
        self._task: Any = None
        self._closed = False

    def begin_training(self, step: int, total: int) -> None:
        """Show the bar from `step` of `total`."""
        if self._task is None:
            self._bar.start()
            self._task = self._bar.add_task("train", total=total, completed=step, loss="", spent="")
        else:
            self._bar.update(self._task, total=total, completed=step)

    def advance(self, steps: int) -> None:
        """Move the bar."""
        if self._task is not None:
            self._bar.update(self._task, advance=steps, spent=self._spent())

    def advance_eval(self, steps: int) -> None:
        """Show that the time passes in the evaluation."""
        if self._task is not None:
            self._bar.update(self._task, description=" eval", spent=self._spent())

    def report(self, kind: str, *, step: int, logs: Mapping[str, Any], seconds: float) -> None:
        """Put the loss of a training loop into the bar; print an evaluation above it."""
        if self._task is not None:
            self._bar.update(self._task, description="train", spent=self._spent())
            if kind == "train":
                self._bar.update(self._task, completed=step)
                if "training_loss" in logs:
                    self._bar.update(self._task, loss=f"loss {float(logs['training_loss']):.4g}")
        if kind != "train":
            self.message(summary_line(kind, step=step, logs=logs, seconds=seconds))

    def message(self, text: str) -> None:
        """Print a line above the bar."""
        self._console.print(text, markup=False, soft_wrap=True)

    def close(self) -> None:
        """Remove the bar and print where the time went."""
        if self._closed:
            return
        self._closed = True
        if self._task is not None:
            self._bar.stop()
        if sum(self.seconds.values()) >= WORTH_TELLING_SECONDS:
            self.message(f"time | {time_spent(self.seconds)}")

    def _spent(self) -> str:
        seconds = self.seconds_so_far()
        total = sum(seconds.values()) or 1.0
        return " ".join(f"{name} {100 * value / total:.0f}%" for name, value in seconds.items())


class _SpeedColumn(ProgressColumn):
    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:.1f} steps/s")
