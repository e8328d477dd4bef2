"""The training loop: a `Task` says what to learn, a `Trainer` runs its steps, a `Controller` decides what happens when.

```python
from assay.core import Task, get_exp_config, run_experiment
```

Names are imported on first use, so that a command can say what is wrong before TensorFlow starts.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from assay.core.checkpoints import CheckpointMismatchError as CheckpointMismatchError
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
    from assay.core.distribution import get_distribution_strategy as get_distribution_strategy
    from assay.core.divergence import DivergedError as DivergedError
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
    from assay.core.runner import AbstractEvaluator as AbstractEvaluator
    from assay.core.runner import AbstractTrainer as AbstractTrainer
    from assay.core.runner import create_global_step as create_global_step
    from assay.core.task import Task as Task
    from assay.core.trainer import Trainer as Trainer

# Each name above, and the module it comes from. A test holds the two lists together.
_HOME = {
    "AbstractEvaluator": "runner",
    "AbstractTrainer": "runner",
    "CheckpointMismatchError": "checkpoints",
    "Config": "config",
    "ConfigError": "config",
    "DataConfig": "config",
    "DivergedError": "divergence",
    "ExperimentConfig": "config",
    "OneOfConfig": "config",
    "OptimizationConfig": "config",
    "Problem": "config",
    "RuntimeConfig": "config",
    "StandardEvaluator": "loops",
    "StandardEvaluatorOptions": "loops",
    "StandardTrainer": "loops",
    "StandardTrainerOptions": "loops",
    "Task": "task",
    "TaskConfig": "config",
    "Trainer": "trainer",
    "TrainerConfig": "config",
    "apply_scaled_gradients": "precision",
    "averages_weights": "optimization",
    "build_learning_rate": "optimization",
    "build_optimizer": "optimization",
    "cast_outputs_to_float32": "precision",
    "create_global_step": "runner",
    "get_distribution_strategy": "distribution",
    "get_exp_config": "config",
    "get_task": "config",
    "parse_configuration": "config",
    "register_config_factory": "config",
    "register_task_cls": "config",
    "registered_experiments": "config",
    "scale_loss": "precision",
    "set_mixed_precision_policy": "precision",
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
