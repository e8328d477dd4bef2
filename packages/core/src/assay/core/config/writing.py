"""Writes the configuration of a run beside it: `params.yaml`, which is a config file for the next run."""

import os
from typing import Any

import yaml
from assay.core.config.base import Config
from assay.core.config.checking import join
from assay.core.config.errors import ConfigError, Problem
from assay.core.config.reading import add_resolvers

PARAMS_FILE = "params.yaml"
_SCALARS = (bool, int, float, str, type(None))
_LINE_WIDTH = 120


class _Dumper(yaml.SafeDumper):
    """Block style, lists in flow style. Quotes what YAML 1.1 or 1.2 would take for something else than a string."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


add_resolvers(_Dumper)
_Dumper.add_representer(
    list, lambda dumper, items: dumper.represent_sequence("tag:yaml.org,2002:seq", items, flow_style=True)
)


def to_yaml(params: Config) -> str:
    """Return a configuration as YAML, in the order of its fields.

    Raises:
        ConfigError: A value cannot be written, naming its key path.
    """
    values = params.as_dict()
    problems = list(_unwritable(values, ""))
    if problems:
        raise ConfigError(problems)
    return yaml.dump(values, Dumper=_Dumper, sort_keys=False, default_flow_style=False, width=_LINE_WIDTH)


def write_params(params: Config, model_dir: str) -> str:
    """Write `params.yaml` into the directory of a run, all or nothing.

    Args:
        params: The configuration.
        model_dir: The directory, made when it is not there; a path with a scheme, such as `gs://`, works too.

    Returns:
        The path of the file.

    Raises:
        ConfigError: A value cannot be written, naming its key path.
    """
    text = to_yaml(params)
    path = os.path.join(model_dir, PARAMS_FILE)
    temporary = f"{path}.{os.getpid()}.tmp"
    if "://" in model_dir:
        import tensorflow as tf

        tf.io.gfile.makedirs(model_dir)
        with tf.io.gfile.GFile(temporary, "w") as remote:
            remote.write(text)
        tf.io.gfile.rename(temporary, path, overwrite=True)
        return path
    os.makedirs(model_dir, exist_ok=True)
    try:
        with open(temporary, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(temporary, path)
    finally:
        if os.path.exists(temporary):
            os.remove(temporary)
    return path


def _unwritable(value: Any, path: str) -> list[Problem]:
    if isinstance(value, dict):
        return [problem for key, item in value.items() for problem in _unwritable(item, join(path, key))]
    if isinstance(value, list):
        return [problem for index, item in enumerate(value) for problem in _unwritable(item, f"{path}[{index}]")]
    if type(value) in _SCALARS:
        return []
    return [
        Problem(
            path,
            f"cannot be written to {PARAMS_FILE}: expected a plain value, received {value!r} ({type(value).__name__}).",
        )
    ]
