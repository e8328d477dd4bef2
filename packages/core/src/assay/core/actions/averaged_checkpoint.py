"""Save the averaged weights as a checkpoint of their own."""

from typing import Any

import tensorflow as tf
from assay.core.checkpoint_manager import CheckpointManager
from assay.core.optimization import swapped_in
from assay.core.precision import innermost_optimizer
from assay.core.runner import Output

AVERAGED_SUBDIR = "ema_checkpoints"
AVERAGED_NAME = "average_weights"


class SaveAveragedCheckpoint:
    """An evaluation action that saves the model with its averaged weights, `average_weights-<iterations>`.

    The checkpoint holds `model` (and the model's parts by their names), so `task.init_checkpoint` can point at it.

    Args:
        directory: Where to, `<model_dir>/ema_checkpoints`.
        model: A Keras model.
        optimizer: The optimizer that keeps the average.
        max_to_keep: How many to keep, None for all.
    """

    def __init__(self, directory: str, *, model: Any, optimizer: Any, max_to_keep: int | None = 1) -> None:
        self._model, self._optimizer = model, optimizer
        parts = dict(getattr(model, "checkpoint_items", None) or {})
        self._manager = CheckpointManager(
            tf.train.Checkpoint(model=model, **parts),
            directory,
            max_to_keep=max_to_keep,
            global_step=innermost_optimizer(optimizer).iterations,
            name=AVERAGED_NAME,
        )

    def __call__(self, output: Output) -> None:
        """Save the averaged weights; the logs do not matter."""
        del output
        with swapped_in(self._optimizer, self._model):
            self._manager.save()
