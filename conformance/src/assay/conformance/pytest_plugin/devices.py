"""When the plugin sets devices up, and what to do when TensorFlow was faster."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

import pytest
from assay.conformance.devices import LOGICAL_CPUS, configure_devices
from assay.conformance.model.vocabulary import Mode, Target

if TYPE_CHECKING:
    from assay.conformance.pytest_plugin.checks import RuleCheck


def configure_for(checks: Iterable[RuleCheck]) -> None:
    """Split the CPU in two when one of the checks needs two replicas, before any test runs.

    It imports TensorFlow, which such a check does anyway, and does not start it: a fixture of the project that sets up
    devices of its own still can.
    """
    if any(check.mode is Mode.REPLICAS and check.target is Target.CPU for check in checks):
        configure_devices()


def devices_are_missing() -> bool:
    """Whether TensorFlow has been imported and has fewer logical CPU devices than replicas need; asking starts it."""
    tensorflow = sys.modules.get("tensorflow")
    return tensorflow is not None and len(tensorflow.config.list_logical_devices("CPU")) < LOGICAL_CPUS


def remedy(config: pytest.Config) -> str:
    """What to say when TensorFlow has started with too few devices."""
    return (
        f"Two replicas need {LOGICAL_CPUS} logical CPU devices, and TensorFlow had started with fewer before they "
        "could be set up: one tensor made while a conftest.py or a test module is imported is enough. Add "
        f"`assay_devices = true` to {_where(config)} (or run `pytest --assay-devices`), or put these lines first in "
        f"{config.rootpath / 'conftest.py'}: `from assay.conformance import set_up_devices` and `set_up_devices()`."
    )


def _where(config: pytest.Config) -> str:
    """The file and table that hold pytest's configuration."""
    path = config.inipath or config.rootpath / "pyproject.toml"
    return f"[tool.pytest.ini_options] in {path}" if path.suffix == ".toml" else f"[pytest] in {path}"
