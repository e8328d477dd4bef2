"""Keep the checkpoint of the best evaluation."""

import contextlib
import json
import math
from collections.abc import Callable
from typing import Any

import tensorflow as tf
from assay.core.actions.new_best_metric import NewBestMetric
from assay.core.checkpoint_manager import CheckpointManager
from assay.core.checkpoints import write_atomically
from assay.core.progress import plain_numbers
from assay.core.runner import Output, get_value

INFO_FILE = "info.json"
STEP_KEY = "best_ckpt_global_step"
BEST_CHECKPOINT_NAME = "best_ckpt"


class ExportBestCheckpoint:
    """An evaluation action that saves `best_ckpt-<global_step>` when a metric is the best so far.

    `info.json` beside it holds the scalars of that evaluation as numbers, and `best_ckpt_global_step`; a later run in
    the same directory goes on from there. Adds `best_<metric>` to the logs, once there is a best value. NaN is never
    best. Only the best checkpoint is kept.

    Args:
        checkpoint: What to save, `trainer.model_checkpoint`.
        directory: Where to.
        metric: The name of the metric among the evaluation's logs.
        higher_is_better: Whether more is better.
        global_step: The variable that names the checkpoint.
        averaged_weights: Makes a context in which the model has the weights that were evaluated, when these are not
            the trained ones (`trainer.averaged_weights`).
    """

    def __init__(
        self,
        checkpoint: tf.train.Checkpoint,
        directory: str,
        *,
        metric: str,
        higher_is_better: bool = True,
        global_step: tf.Variable,
        averaged_weights: Callable[[], contextlib.AbstractContextManager[Any]] = contextlib.nullcontext,
    ) -> None:
        self._directory = directory
        self._global_step = global_step
        self._averaged_weights = averaged_weights
        self._metric = NewBestMetric(metric, higher_is_better=higher_is_better)
        self._manager = CheckpointManager(
            checkpoint, directory, max_to_keep=1, global_step=global_step, name=BEST_CHECKPOINT_NAME
        )
        info = self._read_info()
        if metric in info and math.isfinite(info[metric]):
            self._metric.commit(info)

    @property
    def best_value(self) -> float | None:
        """The best value so far, of this run and those before it; None before the first."""
        return self._metric.best_value

    def __call__(self, output: Output) -> None:
        """Save a checkpoint if the logs are those of the best evaluation so far."""
        if self._metric.test(output):
            with self._averaged_weights():
                self._manager.save()
            # The file comes last: a crash between the two only makes the next evaluation compare with an older best.
            info = dict(plain_numbers(get_value(output)))
            info = {name: value for name, value in info.items() if not name.startswith("best_")}
            info[STEP_KEY] = int(self._global_step.numpy())
            write_atomically(tf.io.gfile.join(self._directory, INFO_FILE), json.dumps(info, indent=2) + "\n")
            self._metric.commit(output)
        if self.best_value is not None:
            output[f"best_{self._metric.metric}"] = self.best_value

    def _read_info(self) -> dict[str, Any]:
        path = tf.io.gfile.join(self._directory, INFO_FILE)
        if not tf.io.gfile.exists(path):
            return {}
        with tf.io.gfile.GFile(path, "r") as file:
            return json.loads(file.read())
