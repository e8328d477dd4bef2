"""The options of the training loop: `TrainerConfig`."""

import dataclasses
from collections.abc import Iterable
from typing import Literal

from assay.core.config.base import Config
from assay.core.config.errors import Problem
from assay.core.config.optimization import OptimizationConfig


@dataclasses.dataclass
class TrainerConfig(Config):
    """How the loop runs. Steps are totals: training goes on *until* step `train_steps`.

    Attributes:
        optimizer_config: The optimizer and its learning rate.
        train_steps: Steps of the whole training.
        validation_steps: Batches of one evaluation; -1 for the whole set.
        validation_interval: Steps between evaluations in `train_and_eval`.
        steps_per_loop: Steps that run on the device before the host looks again.
        summary_interval: Steps between records of `tf.summary` operations inside a step. Loops end at its multiples,
            so it need not fit `steps_per_loop`.
        checkpoint_interval: Steps between checkpoints.
        max_to_keep: Number of checkpoints kept; null for all.
        continuous_eval_timeout: Seconds that `continuous_eval` waits for a new checkpoint.
        train_tf_while_loop: Whether the training loop itself runs inside the `tf.function`.
        train_tf_function: Whether training steps are compiled to a graph.
        eval_tf_function: The same for evaluation.
        eval_tf_while_loop: The same for evaluation; its logs are then aggregated in the graph.
        best_checkpoint_export_subdir: Directory under `model_dir` for the best checkpoint; empty for none.
        best_checkpoint_eval_metric: The evaluation metric that decides which one is best.
        best_checkpoint_metric_comp: Whether `higher` or `lower` is better.
        loss_upper_bound: A training loss above it, or not finite, counts as a failure.
        recovery_begin_steps: The loss is checked from this step on.
        recovery_max_trials: 0 stops at a failure; a number above 0 restores the last checkpoint and goes on, at most
            so many times; below 0 does not check.
        validation_summary_subdir: Directory under `model_dir` for evaluation summaries.
        preemption_on_demand_checkpoint: Whether a checkpoint is saved when the machine is about to be taken away.
        checkpoint_train_iterator: Whether checkpoints hold the position in the training data.
    """

    optimizer_config: OptimizationConfig = dataclasses.field(default_factory=OptimizationConfig)
    train_steps: int = 0
    validation_steps: int = -1
    validation_interval: int = 1000
    steps_per_loop: int = 1000
    summary_interval: int = 1000
    checkpoint_interval: int = 1000
    max_to_keep: int | None = 5
    continuous_eval_timeout: float = 3600
    train_tf_while_loop: bool = True
    train_tf_function: bool = True
    eval_tf_function: bool = True
    eval_tf_while_loop: bool = False
    best_checkpoint_export_subdir: str = ""
    best_checkpoint_eval_metric: str = ""
    best_checkpoint_metric_comp: Literal["higher", "lower"] = "higher"
    loss_upper_bound: float = 1e6
    recovery_begin_steps: int = 0
    recovery_max_trials: int = 0
    validation_summary_subdir: str = "validation"
    preemption_on_demand_checkpoint: bool = True
    checkpoint_train_iterator: bool = True

    def problems(self) -> Iterable[Problem | str]:
        """Yield a problem for each number out of range and each pair of options that contradict one another."""
        for name in ("validation_interval", "steps_per_loop", "summary_interval", "checkpoint_interval", "max_to_keep"):
            value = getattr(self, name)
            if value is not None and value < 1:
                yield Problem(name, f"must be above 0; received {value}.")
        for name in ("train_steps", "recovery_begin_steps", "continuous_eval_timeout"):
            if getattr(self, name) < 0:
                yield Problem(name, f"must not be negative; received {getattr(self, name)}.")
        if self.validation_steps < 1 and self.validation_steps != -1:
            yield Problem("validation_steps", f"must be above 0, or -1 for all; received {self.validation_steps}.")
        for kind in ("train", "eval"):
            if getattr(self, f"{kind}_tf_while_loop") and not getattr(self, f"{kind}_tf_function"):
                yield Problem(
                    f"{kind}_tf_while_loop", f"needs `{kind}_tf_function`; set both to false to run {kind} eagerly."
                )
        if bool(self.best_checkpoint_export_subdir) != bool(self.best_checkpoint_eval_metric):
            yield (
                "`best_checkpoint_export_subdir` and `best_checkpoint_eval_metric` go together; received "
                f"{self.best_checkpoint_export_subdir!r} and {self.best_checkpoint_eval_metric!r}."
            )
        if not self.loss_upper_bound > 0:
            yield Problem("loss_upper_bound", f"must be above 0; received {self.loss_upper_bound}.")
