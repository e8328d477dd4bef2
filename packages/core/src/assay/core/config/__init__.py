"""The configuration of a run: typed dataclasses, strict files and overrides, and registered experiments."""

from assay.core.config.base import Config
from assay.core.config.data import DataConfig
from assay.core.config.errors import ConfigError, Problem
from assay.core.config.experiment import MODES, ExperimentConfig, TaskConfig
from assay.core.config.one_of import OneOfConfig
from assay.core.config.optimization import OptimizationConfig
from assay.core.config.overrides import Override, parse_override
from assay.core.config.parsing import parse_configuration
from assay.core.config.registry import (
    get_exp_config,
    get_task,
    register_config_factory,
    register_task_cls,
    registered_experiments,
)
from assay.core.config.runtime import STRATEGIES, RuntimeConfig
from assay.core.config.trainer import TrainerConfig
from assay.core.config.writing import PARAMS_FILE, to_yaml, write_params

__all__ = [
    "MODES",
    "PARAMS_FILE",
    "STRATEGIES",
    "Config",
    "ConfigError",
    "DataConfig",
    "ExperimentConfig",
    "OneOfConfig",
    "OptimizationConfig",
    "Override",
    "Problem",
    "RuntimeConfig",
    "TaskConfig",
    "TrainerConfig",
    "get_exp_config",
    "get_task",
    "parse_configuration",
    "parse_override",
    "register_config_factory",
    "register_task_cls",
    "registered_experiments",
    "to_yaml",
    "write_params",
]
