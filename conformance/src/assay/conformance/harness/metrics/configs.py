"""Configs of metrics, and metrics made of them."""

from __future__ import annotations

from typing import Any

from assay.conformance.context import Context
from assay.conformance.harness.calls import calling
from assay.conformance.harness.metrics.component import make_metric
from assay.conformance.model.errors import NotApplicable


def config_of(ctx: Context) -> tuple[Any, dict[str, Any]]:
    """Return a new metric and its config.

    Raises:
      NotApplicable: If it has no `get_config`, or that gives no dict.
      SubjectError: If `get_config` raises.
    """
    metric = make_metric(ctx)
    if not callable(getattr(metric, "get_config", None)):
        raise NotApplicable("The metric has no method get_config().")
    with calling("get_config()"):
        config = metric.get_config()
    if not isinstance(config, dict):
        raise NotApplicable(f"get_config() gives a {type(config).__name__}, and not a dict.")
    return metric, config


def rebuild(metric: Any, config: dict[str, Any]) -> Any:
    """Return a metric made of a config by the class of another.

    Raises:
      NotApplicable: If the class has no `from_config`.
      SubjectError: If `from_config` raises.
    """
    if not callable(getattr(type(metric), "from_config", None)):
        raise NotApplicable("The metric has no classmethod from_config().")
    with calling("from_config(get_config())"):
        return type(metric).from_config(dict(config))
