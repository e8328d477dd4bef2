"""`parse_configuration`: defaults, then files, then overrides, into one validated and locked configuration."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from assay.core.config.errors import ConfigError
from assay.core.config.experiment import ExperimentConfig
from assay.core.config.overrides import parse_override
from assay.core.config.reading import line_finder, read_config_file
from assay.core.config.registry import get_exp_config

OVERRIDE_FLAG = "--params_override"


def parse_configuration(
    experiment: str | ExperimentConfig,
    config_files: str | Sequence[str] = (),
    params_override: str | Sequence[str] = "",
    *,
    runtime_overrides: Mapping[str, Any] | None = None,
    mode: str | None = None,
    lock: bool = True,
) -> ExperimentConfig:
    """Make the configuration of a run.

    Each source is merged over what there is, later ones over earlier ones: the experiment's defaults, the files in
    order, `runtime_overrides`, `params_override`. A source with a mistake is refused as a whole, every mistake listed.

    Args:
        experiment: Name of a registered experiment, or a configuration to begin with (it is copied).
        config_files: Paths of YAML or JSON files.
        params_override: Pairs `a.b=1,c.d=x`, a YAML or JSON text, or the path of a file, or several of these in
            order; see `assay.core.config.overrides`.
        runtime_overrides: Options of `runtime` from flags of their own.
        mode: One of `MODES`; what it needs is then checked too.
        lock: Whether to lock the result.

    Returns:
        The configuration, validated.

    Raises:
        ConfigError: Names the source and, for each problem, the key path (and line), what was expected and received.
    """
    params = experiment.copy() if isinstance(experiment, ExperimentConfig) else get_exp_config(experiment)
    sources = []
    for path in [config_files] if isinstance(config_files, str) else config_files:
        path = os.fspath(path)
        mapping, text = read_config_file(path)
        _merge(params, mapping, path, text)
        sources.append(path)
    if runtime_overrides:
        _merge(params, {"runtime": dict(runtime_overrides)}, "the runtime flags")
        sources.append("the runtime flags")
    for text in [params_override] if isinstance(params_override, str) else params_override:
        try:
            override = parse_override(text)
        except ConfigError as error:
            raise error.located(f"{OVERRIDE_FLAG} {error.source}".strip()) from None
        source = f"{OVERRIDE_FLAG} {override.path}".strip()
        _merge(params, override.mapping, source, override.text)
        if override.mapping and source not in sources:
            sources.append(source)
    try:
        params.validate(mode)
    except ConfigError as error:
        name = f"experiment {experiment!r}" if isinstance(experiment, str) else "the configuration"
        merged = f" with {', '.join(sources)}" if sources else ""
        raise error.located(name + merged) from None
    if lock:
        params.lock()
    return params


def _merge(params: ExperimentConfig, mapping: Mapping[str, Any], source: str, text: str = "") -> None:
    try:
        params.override(mapping)
    except ConfigError as error:
        raise error.located(source, line_finder(text)) from None
