"""Ctrl-C and SIGTERM: end a run between two steps, with a checkpoint, instead of in the middle of one.

```python
with stopping_on(signal.SIGINT, signal.SIGTERM) as stop:
    run_experiment(..., stop=stop)
```
"""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator


class StopRequest:
    """A wish to end a run soon, which the loops look at.

    Attributes:
        signal: The signal that asked for it, None when none did.
        on_request: Called once when it is requested, with the signal; None for nobody.
    """

    def __init__(self, on_request: Callable[[int | None], None] | None = None) -> None:
        self._event = threading.Event()
        self.signal: int | None = None
        self.on_request = on_request

    @property
    def requested(self) -> bool:
        """Whether the run should end."""
        return self._event.is_set()

    def request(self, signal_number: int | None = None) -> None:
        """Ask the run to end; from any thread."""
        self.signal = signal_number
        first = not self.requested
        self._event.set()
        if first and self.on_request is not None:
            self.on_request(signal_number)


class TrainingInterrupted(RuntimeError):  # noqa: N818 - like KeyboardInterrupt, it is no error
    """A run has ended because it was asked to. Its last checkpoint is complete; the same command goes on from it.

    Attributes:
        step: The steps taken.
        checkpoint: The path of the checkpoint that holds them, None when the run writes none.
        signal: The signal that ended it, or None.
    """

    def __init__(self, step: int, checkpoint: str | None, signal_number: int | None = None) -> None:
        where = f"saved in {checkpoint}" if checkpoint else "not saved, as the run has no checkpoint directory"
        super().__init__(f"The run was asked to stop after step {step}, {where}.")
        self.step, self.checkpoint, self.signal = step, checkpoint, signal_number


@contextlib.contextmanager
def stopping_on(*signals: signal.Signals, stop: StopRequest | None = None) -> Iterator[StopRequest]:
    """Turn the first of these signals into a request; a second Ctrl-C interrupts at once, without saving.

    Python runs signal handlers between two of its own instructions, so the request is seen when the loop returns from
    TensorFlow, about a second later (see `assay.core.loops.CHUNK_SECONDS`).

    Args:
        *signals: Which signals. Outside of the main thread, where Python allows no handlers, they stay as they are.
        stop: The request to use; a new one when None.
    """
    stop = stop or StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def handle(number: int, _frame: object) -> None:
        if number == signal.SIGINT and stop.requested:
            raise KeyboardInterrupt
        stop.request(number)

    previous = {number: signal.signal(number, handle) for number in signals}
    try:
        yield stop
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
