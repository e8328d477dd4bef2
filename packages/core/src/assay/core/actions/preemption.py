"""Save a checkpoint when the machine is about to be taken away."""

import signal
from typing import Any

from assay.core.interruption import StopRequest, TrainingInterrupted
from assay.core.runner import Output


class SaveCheckpointIfPreempted:
    """A train action that saves and ends the run once SIGTERM, the notice of a preemption, has come.

    `run_experiment` does this by itself (`trainer.preemption_on_demand_checkpoint`); the action is for a `Controller`
    of one's own that has no `stop`. It takes the place of the process's SIGTERM handler from the time it is made.

    Args:
        checkpoint_manager: The manager of the run's checkpoints.
        checkpoint_number: Variable or number that names the checkpoint; the manager's own when None.
        stop: The request that tells of the preemption; when None, SIGTERM makes it.
        keep_running_after_save: Whether to go on after the (one) save, as long as the machine lasts.

    Raises:
        TrainingInterrupted: When called after the notice, unless it keeps running.
    """

    def __init__(
        self,
        checkpoint_manager: Any,
        *,
        checkpoint_number: Any = None,
        stop: StopRequest | None = None,
        keep_running_after_save: bool = False,
    ) -> None:
        self._manager = checkpoint_manager
        self._number = checkpoint_number
        self._keep_running = keep_running_after_save
        self._saved = False
        self._stop = stop or StopRequest()
        if stop is None:
            signal.signal(signal.SIGTERM, lambda number, _frame: self._stop.request(number))

    def __call__(self, output: Output) -> None:
        """Save and end if the notice has come; the logs do not matter."""
        del output
        if not self._stop.requested or self._saved:
            return
        number = self._number.numpy() if hasattr(self._number, "numpy") else self._number
        path = self._manager.save(checkpoint_number=number, check_interval=False)
        if hasattr(self._manager, "sync"):
            self._manager.sync()
        self._saved = True
        if not self._keep_running:
            raise TrainingInterrupted(int(path.rsplit("-", 1)[-1]), path, self._stop.signal)
