"""The configuration of a whole run, `ExperimentConfig`, and of the task in it."""

import dataclasses

from assay.core.config.base import Config
from assay.core.config.checking import type_problems
from assay.core.config.data import DataConfig
from assay.core.config.errors import ConfigError, Problem
from assay.core.config.runtime import RuntimeConfig
from assay.core.config.trainer import TrainerConfig

MODES = ("train", "eval", "train_and_eval", "continuous_eval", "train_and_post_eval")
"""The ways to run an experiment."""


def trains(mode: str) -> bool:
    """Say whether a mode trains."""
    return "train" in mode


def evaluates(mode: str) -> bool:
    """Say whether a mode evaluates."""
    return "eval" in mode


def _training_data() -> DataConfig:
    return DataConfig(is_training=True)


def _validation_data() -> DataConfig:
    return DataConfig(is_training=False)


@dataclasses.dataclass
class TaskConfig(Config):
    """The part of a run that is the task's own; a task subclasses it and adds its model, losses and so on.

    Attributes:
        init_checkpoint: A checkpoint, or a directory whose latest one is used, that `Task.initialize` loads from.
        name: Name of the task; None for the class's own.
        train_data: Given to `Task.build_inputs` for training; None for a task that needs nothing said.
        validation_data: The same for validation.
    """

    init_checkpoint: str = ""
    name: str | None = None
    train_data: DataConfig | None = dataclasses.field(default_factory=_training_data)
    validation_data: DataConfig | None = dataclasses.field(default_factory=_validation_data)


@dataclasses.dataclass
class ExperimentConfig(Config):
    """A whole run: what to learn, how the loop runs, and on which machine."""

    task: TaskConfig = dataclasses.field(default_factory=TaskConfig)
    trainer: TrainerConfig = dataclasses.field(default_factory=TrainerConfig)
    runtime: RuntimeConfig = dataclasses.field(default_factory=RuntimeConfig)

    def validate(self, mode: str | None = None) -> None:
        """Check types and rules and, given a mode, what it needs.

        Args:
            mode: One of `MODES`.

        Raises:
            ConfigError: Lists every problem with its key path.
        """
        found = type_problems(self) or list(self._rule_problems(""))
        if mode is not None and not type_problems(self):
            found += self.mode_problems(mode)
        if found:
            raise ConfigError(found)

    def mode_problems(self, mode: str) -> list[Problem]:
        """Return what the configuration lacks for a mode."""
        if mode not in MODES:
            return [Problem("", f"`mode` must be one of {', '.join(MODES)}; received {mode!r}.")]
        found = []
        if trains(mode):
            if self.trainer.train_steps < 1:
                found.append(
                    Problem(
                        "trainer.train_steps",
                        f"mode {mode} needs a number of steps; received {self.trainer.train_steps}.",
                    )
                )
            if self.task.train_data is not None and self.task.train_data.is_training is False:
                found.append(
                    Problem(
                        "task.train_data.is_training",
                        f"is false in mode {mode}: training data that is not repeated runs out.",
                    )
                )
        if evaluates(mode):
            data = self.task.validation_data
            if data is not None and data.is_training and self.trainer.validation_steps == -1:
                found.append(
                    Problem(
                        "task.validation_data.is_training",
                        f"is true in mode {mode}: data that is repeated has "
                        "no end; set it to false, or set `trainer.validation_steps`.",
                    )
                )
        return found
