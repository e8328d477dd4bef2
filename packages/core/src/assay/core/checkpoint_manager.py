"""Write the checkpoints of a run, and wait for those of another."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf
from assay.core.checkpoints import TRAIN_DATA, restore_run
from assay.core.keras_flavours import allow_asynchronous_checkpoints

CHECKPOINT_NAME = "ckpt"
"""Checkpoints of a run are `ckpt-<global_step>`."""

POLL_SECONDS = 1.0
"""How often `new_checkpoints` looks."""


class CheckpointManager(tf.train.CheckpointManager):
    """The checkpoints of a run: `ckpt-<global_step>` in its directory.

    Differs from TensorFlow's in three ways: `save` always writes; restoring is strict about the model, the optimizer
    and the step, and lenient about what only an exact resume needs; an asynchronous save takes the position in the
    training data along at the moment of the save.

    Args:
        checkpoint: The `tf.train.Checkpoint` of the run.
        directory: Where to write.
        max_to_keep: How many to keep, None for all.
        global_step: The variable that names them.
        interval: Steps between checkpoints, None for those asked for only.
        init_fn: Called by `restore_or_initialize` when there is nothing to restore.
        restore_from: Another directory whose latest checkpoint is restored: of several workers, one writes there.
        name: The name before the step.
    """

    def __init__(
        self,
        checkpoint: tf.train.Checkpoint,
        directory: str,
        *,
        max_to_keep: int | None,
        global_step: tf.Variable,
        interval: int | None = None,
        init_fn: Callable[[], None] | None = None,
        restore_from: str | None = None,
        name: str = CHECKPOINT_NAME,
    ) -> None:
        super().__init__(checkpoint, directory, max_to_keep=max_to_keep, checkpoint_name=name, step_counter=global_step)
        self.interval = interval
        self._global_step = global_step
        self._initialize = init_fn
        self._restore_from = restore_from or directory

    def save(
        self,
        checkpoint_number: Any = None,
        check_interval: bool = False,
        options: tf.train.CheckpointOptions | None = None,
    ) -> str:
        """Write `<name>-<global_step>`, over one that is there already, and return its path.

        Args:
            checkpoint_number: Another number than the global step.
            check_interval: Taken for compatibility; when to save is the caller's choice.
            options: As TensorFlow's; asynchronous writing is waited for by `sync` and by the next save.
        """
        del check_interval
        if options is not None and options.experimental_enable_async_checkpoint:
            self.sync()
            allow_asynchronous_checkpoints()
            data = getattr(self.checkpoint, TRAIN_DATA, None)
            if data is not None:
                data.freeze()
        number = int(self._global_step.numpy()) if checkpoint_number is None else checkpoint_number
        return super().save(number, check_interval=False, options=options)

    def restore(self, path: str) -> str:
        """Restore the checkpoint at `path`; see `restore_run`."""
        restore_run(self.checkpoint, path)
        return path

    def restore_or_initialize(self) -> str | None:
        """Restore the latest checkpoint and return its path; without one call `init_fn` and return None."""
        path = tf.train.latest_checkpoint(self._restore_from)
        if path is not None:
            return self.restore(path)
        if self._initialize is not None:
            self._initialize()
        return None


def new_checkpoints(
    directory: str,
    timeout: float | None = None,
    timeout_fn: Callable[[], bool] | None = None,
    between: Callable[[], None] | None = None,
) -> Iterator[str]:
    """Yield each new checkpoint of a directory, the latest when there are several, until none comes.

    Args:
        directory: Where another process writes checkpoints.
        timeout: Seconds to wait for the next; None waits forever.
        timeout_fn: Asked when the time is up; the waiting ends when it says True or is None.
        between: Called before each look.
    """
    last = None
    waiting_since = time.monotonic()
    while True:
        if between is not None:
            between()
        path = tf.train.latest_checkpoint(directory)
        if path is not None and path != last:
            last = path
            yield path
            waiting_since = time.monotonic()
            continue
        waited = time.monotonic() - waiting_since
        if timeout is not None and waited >= timeout:
            if timeout_fn is None or timeout_fn():
                return
            waiting_since, waited = time.monotonic(), 0.0
        time.sleep(POLL_SECONDS if timeout is None else min(POLL_SECONDS, max(timeout - waited, 0.0)))
