"""Go back to the last checkpoint when the training loss has become useless."""

import logging
from typing import Any

from assay.core.divergence import LossGuard
from assay.core.runner import Output

_LOG = logging.getLogger(__name__)


class RecoverFromDivergence:
    """A train action that restores the last checkpoint after a bad loss, and lets the data go on.

    Put it first, so that nothing is done with bad weights. Going back to the data of the checkpoint as well would meet
    the batches that led to the bad loss again.

    Args:
        trainer: A `Trainer`.
        checkpoint_manager: The manager of the run's checkpoints.
        guard: Decides what is bad, and how often to recover.
        loss: The name of the loss among the logs.

    Raises:
        DivergedError: When called with a bad loss, and there is no checkpoint, or there were too many recoveries.
    """

    def __init__(self, trainer: Any, checkpoint_manager: Any, guard: LossGuard, *, loss: str = "training_loss") -> None:
        self._trainer, self._manager, self._guard, self._loss = trainer, checkpoint_manager, guard, loss
        self.recoveries = 0

    def __call__(self, output: Output) -> None:
        """Look at the loss of a loop."""
        if self._loss not in output:
            return
        loss, step = float(output[self._loss]), self._trainer.step
        if not self._guard.finds_bad(loss, step):
            return
        if hasattr(self._manager, "sync"):
            self._manager.sync()
        path = self._manager.latest_checkpoint
        if path is None or self.recoveries >= self._guard.max_recoveries:
            raise self._guard.error(loss, step, step)
        self.recoveries += 1
        self._trainer.recover(path)
        _LOG.warning(
            "The training loss was %s at step %d. Went back to %s and on with new data (recovery %d of %d).",
            loss,
            step,
            path,
            self.recoveries,
            self._guard.max_recoveries,
        )
