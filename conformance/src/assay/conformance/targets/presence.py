"""Which targets have a device here."""

from __future__ import annotations

from assay.conformance.harness.device_types import count_devices
from assay.conformance.harness.strategies import REPLICAS
from assay.conformance.harness.tpu_devices import tpu_strategy
from assay.conformance.model.vocabulary import Target


def is_present(target: Target) -> bool:
    """Whether TensorFlow sees a device of the target in this process; asking starts TensorFlow's devices."""
    if target is Target.TPU:
        return tpu_strategy(REPLICAS) is not None
    return target is Target.CPU or count_devices(target) > 0
