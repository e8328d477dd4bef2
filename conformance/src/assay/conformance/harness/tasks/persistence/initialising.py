"""`initialize` of a Task: told which checkpoint to load, and listened to while it does."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator, MutableMapping, Sequence
from typing import Any

import numpy as np
from assay.conformance.harness.tasks.persistence.checkpoints import write
from assay.conformance.harness.tasks.snapshots import model_variables
from assay.conformance.harness.values import as_numpy

CHECKPOINT = "init_checkpoint"
MODULES = "init_checkpoint_modules"
ALL = "all"
_CONFIGS = ("task_config", "params", "config")
_LOGGERS = ("", "absl", "tensorflow")
_SAYING = (
    "skip", "missing", "fail", "unsuccessful", "not loaded", "not bound", "not found", "mismatch", "not match",
    "unmatched", "could not", "cannot", "incompatible", "ignor", "random", "unrestored", "no checkpoint", "not exist",
    "unresolved", "partial",
)  # fmt: skip


def config_with_checkpoint(task: Any) -> Any | None:
    """Return the configuration of a Task that has a field `init_checkpoint`; None when there is none."""
    for name in _CONFIGS:
        config = getattr(task, name, None)
        if config is not None and has_field(config, CHECKPOINT):
            return config
    return None


def has_field(config: Any, name: str) -> bool:
    """Whether a configuration, an object or a mapping, has a field."""
    return name in config if isinstance(config, MutableMapping) else hasattr(config, name)


def field(config: Any, name: str) -> Any:
    """A field of a configuration, or None."""
    return config.get(name) if isinstance(config, MutableMapping) else getattr(config, name, None)


def set_field(config: Any, name: str, value: Any) -> bool:
    """Set a field of a configuration, a locked or frozen one too, and return whether it has the value now."""
    if isinstance(config, MutableMapping):
        config[name] = value
        return True
    for assign in (setattr, object.__setattr__):
        with contextlib.suppress(Exception):  # a configuration says in its own way that it is locked
            assign(config, name, value)
            if getattr(config, name, None) == value:
                return True
    return False


def claimed_variables(config: Any, model: Any) -> list[Any] | None:
    """Return the variables that a configuration says are loaded; None when it does not say.

    `init_checkpoint_modules` is `all`, a name in `model.checkpoint_items`, or a list of names.
    """
    if not has_field(config, MODULES):
        return None
    modules = field(config, MODULES)
    names = [modules] if isinstance(modules, str) else list(modules or [ALL])
    if ALL in names:
        return loadable(model_variables(model))
    items = dict(getattr(model, "checkpoint_items", None) or {})
    found = [variable for name in names if name in items for variable in getattr(items[name], "variables", ())]
    return loadable(found) if all(name in items for name in names) else None


def loadable(variables: Sequence[Any]) -> list[Any]:
    """Return the variables that a checkpoint's weights go into: those of floating-point numbers."""
    return [one for one in variables if np.issubdtype(as_numpy(one).dtype, np.floating)]


def write_donor(model: Any, path: str, *, seed: int) -> list[str]:
    """Give a model values of its own, each another, and write them in the ways that people write checkpoints.

    Returns:
      The paths, of `tf.train.Checkpoint(model=, **checkpoint_items)` and of `tf.train.Checkpoint(model)`.
    """
    import tensorflow as tf

    random = np.random.default_rng(seed)
    for variable in loadable(model_variables(model)):
        value = as_numpy(variable)
        variable.assign(random.uniform(0.5, 1.5, size=value.shape).astype(value.dtype))
    items = dict(getattr(model, "checkpoint_items", None) or {})
    checkpoints = [tf.train.Checkpoint(**{**items, "model": model}), tf.train.Checkpoint(model)]
    return [write(one, f"{path}-{index}") for index, one in enumerate(checkpoints)]


@contextlib.contextmanager
def listening() -> Iterator[list[str]]:
    """Collect what is said while the block runs: warnings, log records of that level and above, what is printed.

    TensorFlow speaks of what was not restored when the status of a restore is deleted: `gc.collect()` in the block
    makes that happen in time.
    """
    said: list[str] = []
    handler = _Collector(said)
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    levels = [logger.level for logger in loggers]
    printed = io.StringIO()
    for logger in loggers:
        if logger.parent is None or not logger.propagate:  # others hand their records up to the root
            logger.addHandler(handler)
        logger.setLevel(min(logger.level or logging.WARNING, logging.WARNING))
    try:
        with (
            warnings.catch_warnings(record=True) as caught,
            contextlib.redirect_stdout(printed),
            contextlib.redirect_stderr(printed),
        ):
            warnings.simplefilter("always")
            yield said
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.removeHandler(handler)
            logger.setLevel(level)
    said.extend(str(one.message) for one in caught)
    said.extend(printed.getvalue().splitlines())


def says_so(said: Sequence[str], names: Sequence[str]) -> bool:
    """Whether something that was said speaks of values that were not loaded, in general or by one of the names."""
    return any(
        any(word in text.lower() for word in _SAYING) or any(name and name in text for name in names) for text in said
    )


class _Collector(logging.Handler):
    def __init__(self, said: list[str]) -> None:
        super().__init__(logging.WARNING)
        self._said = said

    def emit(self, record: logging.LogRecord) -> None:
        with contextlib.suppress(Exception):  # a record whose arguments do not fit its text says nothing
            self._said.append(record.getMessage())
