"""The training loop: a `Task` says what to learn, a `Trainer` runs its steps, a `Controller` decides what happens when.

```python
from assay.core import Task, get_exp_config, run_experiment
```

Names are imported on first use, so that a command can say what is wrong before TensorFlow starts.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from assay.core.actions import ConditionalAction as ConditionalAction
    from assay.core.actions import ExportBestCheckpoint as ExportBestCheckpoint
    from assay.core.actions import ExportFileManager as ExportFileManager
    from assay.core.actions import ExportSavedModel as ExportSavedModel
    from assay.core.actions import JSONPersistedValue as JSONPersistedValue
    from assay.core.actions import NewBestMetric as NewBestMetric
    from assay.core.actions import RecoverFromDivergence as RecoverFromDivergence
    from assay.core.actions import SaveAveragedCheckpoint as SaveAveragedCheckpoint
    from assay.core.actions import SaveCheckpointIfPreempted as SaveCheckpointIfPreempted
    from assay.core.checkpoint_manager import CheckpointManager as CheckpointManager
    from assay.core.checkpoints import CheckpointMismatchError as CheckpointMismatchError
    from assay.core.checkpoints import load_checkpoint as load_checkpoint
    from assay.core.config import Config as Config
    from assay.core.config import ConfigError as ConfigError
    from assay.core.config import DataConfig as DataConfig
    from assay.core.config import ExperimentConfig as ExperimentConfig
    from assay.core.config import OneOfConfig as OneOfConfig
    from assay.core.config import OptimizationConfig as OptimizationConfig
    from assay.core.config import Problem as Problem
    from assay.core.config import RuntimeConfig as RuntimeConfig
    from assay.core.config import TaskConfig as TaskConfig
    from assay.core.config import TrainerConfig as TrainerConfig
    from assay.core.config import get_exp_config as get_exp_config
    from assay.core.config import get_task as get_task
    from assay.core.config import parse_configuration as parse_configuration
    from assay.core.config import register_config_factory as register_config_factory
    from assay.core.config import register_task_cls as register_task_cls
    from assay.core.config import registered_experiments as registered_experiments
    from assay.core.config import write_params as write_params
    from assay.core.controller import Controller as Controller
    from assay.core.distribution import get_distribution_strategy as get_distribution_strategy
    from assay.core.divergence import DivergedError as DivergedError
    from assay.core.experiment import run_experiment as run_experiment
    from assay.core.interruption import StopRequest as StopRequest
    from assay.core.interruption import TrainingInterrupted as TrainingInterrupted
    from assay.core.interruption import stopping_on as stopping_on
    from assay.core.loops import StandardEvaluator as StandardEvaluator
    from assay.core.loops import StandardEvaluatorOptions as StandardEvaluatorOptions
    from assay.core.loops import StandardTrainer as StandardTrainer
    from assay.core.loops import StandardTrainerOptions as StandardTrainerOptions
    from assay.core.optimization import averages_weights as averages_weights
    from assay.core.optimization import build_learning_rate as build_learning_rate
    from assay.core.optimization import build_optimizer as build_optimizer
    from assay.core.optimization import swapped_in as swapped_in
    from assay.core.precision import apply_scaled_gradients as apply_scaled_gradients
    from assay.core.precision import cast_outputs_to_float32 as cast_outputs_to_float32
    from assay.core.precision import scale_loss as scale_loss
    from assay.core.precision import set_mixed_precision_policy as set_mixed_precision_policy
    from assay.core.precision import wrap_loss_scale as wrap_loss_scale
    from assay.core.progress import LineProgress as LineProgress
    from assay.core.progress import Progress as Progress
    from assay.core.progress import default_progress as default_progress
    from assay.core.runner import AbstractEvaluator as AbstractEvaluator
    from assay.core.runner import AbstractTrainer as AbstractTrainer
    from assay.core.runner import create_global_step as create_global_step
    from assay.core.runner import get_value as get_value
    from assay.core.summary_managers import SummariesMissingError as SummariesMissingError
    from assay.core.task import Task as Task
    from assay.core.trainer import Trainer as Trainer

# Each name above, and the module it comes from. A test holds the two lists together.
_HOME = {
    "AbstractEvaluator": "runner",
    "AbstractTrainer": "runner",
    "CheckpointManager": "checkpoint_manager",
    "CheckpointMismatchError": "checkpoints",
    "ConditionalAction": "actions",
    "Config": "config",
    "ConfigError": "config",
    "Controller": "controller",
    "DataConfig": "config",
    "DivergedError": "divergence",
    "ExperimentConfig": "config",
    "ExportBestCheckpoint": "actions",
    "ExportFileManager": "actions",
    "ExportSavedModel": "actions",
    "JSONPersistedValue": "actions",
    "LineProgress": "progress",
    "NewBestMetric": "actions",
    "OneOfConfig": "config",
    "OptimizationConfig": "config",
    "Problem": "config",
    "Progress": "progress",
    "RecoverFromDivergence": "actions",
    "RuntimeConfig": "config",
    "SaveAveragedCheckpoint": "actions",
    "SaveCheckpointIfPreempted": "actions",
    "StandardEvaluator": "loops",
    "StandardEvaluatorOptions": "loops",
    "StandardTrainer": "loops",
    "StandardTrainerOptions": "loops",
    "StopRequest": "interruption",
    "SummariesMissingError": "summary_managers",
    "Task": "task",
    "TaskConfig": "config",
    "Trainer": "trainer",
    "TrainerConfig": "config",
    "TrainingInterrupted": "interruption",
    "apply_scaled_gradients": "precision",
    "averages_weights": "optimization",
    "build_learning_rate": "optimization",
    "build_optimizer": "optimization",
    "cast_outputs_to_float32": "precision",
    "create_global_step": "runner",
    "default_progress": "progress",
    "get_distribution_strategy": "distribution",
    "get_exp_config": "config",
    "get_task": "config",
    "get_value": "runner",
    "load_checkpoint": "checkpoints",
    "parse_configuration": "config",
    "register_config_factory": "config",
    "register_task_cls": "config",
    "registered_experiments": "config",
    "run_experiment": "experiment",
    "scale_loss": "precision",
    "set_mixed_precision_policy": "precision",
    "stopping_on": "interruption",
    "swapped_in": "optimization",
    "wrap_loss_scale": "precision",
    "write_params": "config",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(_HOME)
