"""Names for experiments, and the task class that goes with a task config.

```python
@register_config_factory("my_experiment")
def my_experiment() -> ExperimentConfig:
    return ExperimentConfig(task=MyTaskConfig())

@register_task_cls(MyTaskConfig)
class MyTask(Task):
    ...
```

An installed package makes its experiments known by an entry point of the group `assay.experiments` that names the
module to import.
"""

import difflib
import importlib.metadata
from collections.abc import Callable
from typing import Any, TypeVar

from assay.core.config.errors import ConfigError
from assay.core.config.experiment import ExperimentConfig, TaskConfig

ENTRY_POINT_GROUP = "assay.experiments"

Factory = Callable[[], ExperimentConfig]
TaskClass = TypeVar("TaskClass", bound=Callable[..., Any])
AnyFactory = TypeVar("AnyFactory", bound=Factory)

_factories: dict[str, Factory] = {}
_task_classes: dict[type, Callable[..., Any]] = {}
_plugins: dict[str, str] | None = None  # entry point -> why it could not be loaded, or ""


def register_config_factory(name: str) -> Callable[[AnyFactory], AnyFactory]:
    """Register the decorated function, which returns a new `ExperimentConfig`, under a name.

    Args:
        name: Name of the experiment; slashes group names.

    Raises:
        ValueError: Another function has the name. Importing a module again replaces its own.
    """

    def decorate(factory: AnyFactory) -> AnyFactory:
        _refuse_second(_factories.get(name), factory, f"experiment {name!r}")
        _factories[name] = factory
        return factory

    return decorate


def registered_experiments() -> list[str]:
    """Return the names of all experiments, those of installed packages included, sorted."""
    _load_plugins()
    return sorted(_factories)


def get_exp_config(name: str) -> ExperimentConfig:
    """Return a new configuration of a registered experiment, unlocked.

    Raises:
        ConfigError: There is no such experiment, or its function returned something else.
    """
    if name not in _factories:
        _load_plugins()
    if name not in _factories:
        near = difflib.get_close_matches(name, _factories, n=1, cutoff=0.5)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        failed = "".join(
            f" The package behind entry point {plugin!r} could not be imported: {reason}."
            for plugin, reason in (_plugins or {}).items()
            if reason
        )
        raise ConfigError(
            f"there is no experiment {name!r}.{hint} Experiments: {', '.join(sorted(_factories)) or 'none'}. "
            f"An experiment is known once the module that registers it is imported.{failed}"
        )
    config = _factories[name]()
    if not isinstance(config, ExperimentConfig):
        raise ConfigError(
            f"the function registered as experiment {name!r} must return an ExperimentConfig; it returned a "
            f"{type(config).__name__}."
        )
    return config


def register_task_cls(config_cls: type) -> Callable[[TaskClass], TaskClass]:
    """Register the decorated task class as the one that a config class configures.

    Args:
        config_cls: A subclass of `TaskConfig`.

    Raises:
        ValueError: Another task class is registered for it.
    """

    def decorate(task_cls: TaskClass) -> TaskClass:
        _refuse_second(_task_classes.get(config_cls), task_cls, f"task config {config_cls.__name__}")
        _task_classes[config_cls] = task_cls
        return task_cls

    return decorate


def get_task(task_config: TaskConfig, logging_dir: str | None = None, name: str | None = None) -> Any:
    """Make the task that a config configures.

    Args:
        task_config: The config; its class, or the nearest base class that is registered, decides.
        logging_dir: Directory for what the task writes itself.
        name: Name of the task; None for the config's `name`.

    Returns:
        `TaskClass(task_config, logging_dir=logging_dir, name=name)`.

    Raises:
        ConfigError: No task class is registered for it.
    """
    for cls in type(task_config).__mro__:
        if cls in _task_classes:
            return _task_classes[cls](task_config, logging_dir=logging_dir, name=name or task_config.name)
    known = ", ".join(sorted(cls.__name__ for cls in _task_classes)) or "none"
    raise ConfigError(
        f"no task is registered for {type(task_config).__name__}. Decorate the task class with "
        f"`@register_task_cls({type(task_config).__name__})` and import its module. Registered: {known}."
    )


def _refuse_second(known: Any, new: Any, what: str) -> None:
    same = known is None or (known.__module__, known.__qualname__) == (new.__module__, new.__qualname__)
    if not same:
        raise ValueError(
            f"{what} is registered already by {known.__module__}.{known.__qualname__}; "
            f"{new.__module__}.{new.__qualname__} needs another name."
        )


def _load_plugins() -> None:
    global _plugins
    if _plugins is not None:
        return
    _plugins = {}
    for entry_point in importlib.metadata.entry_points(group=ENTRY_POINT_GROUP):
        try:
            entry_point.load()
            _plugins[entry_point.name] = ""
        except Exception as error:  # one broken package must not hide the experiments of the others
            _plugins[entry_point.name] = f"{type(error).__name__}: {error}"
