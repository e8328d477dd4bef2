"""Where a subject runs: one device, or two replicas under a mirrored strategy."""

from __future__ import annotations

import contextlib
import functools
from typing import Any

from assay.conformance.harness.device_types import count_devices, device_type
from assay.conformance.harness.tpu_devices import tpu_strategy
from assay.conformance.model.errors import NotRun
from assay.conformance.model.vocabulary import Mode, Target

REPLICAS = 2
_REMEDY = (
    "Use the command `assay check`, which sets up two logical CPU devices before TensorFlow starts, or call "
    "`assay.conformance.set_up_devices()` before anything else uses TensorFlow."
)


def strategy_for(target: Target, mode: Mode) -> Any:
    """Return the strategy of a mode: two mirrored replicas for `replicas`, else the default strategy of one replica.

    Raises:
      NotRun: If the devices that the mode needs are not there.
    """
    import tensorflow as tf

    if mode is not Mode.REPLICAS:
        return tf.distribute.get_strategy()
    if target is Target.TPU:
        strategy = tpu_strategy(REPLICAS)
        if strategy is None:
            raise NotRun("There is no TPU here.", remedy="Run on a machine that has one.")
        return strategy
    devices = tf.config.list_logical_devices(device_type(target))
    if len(devices) < REPLICAS:
        found = f"{len(devices)} logical {target.value.upper()} device" + ("" if len(devices) == 1 else "s")
        remedy = _REMEDY if target is Target.CPU else f"Run on a machine with {REPLICAS} devices."
        raise NotRun(f"Two replicas need {REPLICAS} devices, and TensorFlow started with {found}.", remedy=remedy)
    return _mirrored(tuple(device.name for device in devices[:REPLICAS]))


@functools.cache
def _mirrored(devices: tuple[str, ...]) -> Any:
    """One mirrored strategy a process for a list of devices.

    On logical CPU devices gradients are summed on one device instead of by collective operations: two strategies of one
    process share collective keys there, and a failed collective poisons the process for every later one.
    """
    import tensorflow as tf

    on_cpu = all("CPU" in device for device in devices)
    return tf.distribute.MirroredStrategy(
        list(devices), cross_device_ops=tf.distribute.ReductionToOneDevice() if on_cpu else None
    )


def placement(target: Target, strategy: Any) -> contextlib.AbstractContextManager[Any]:
    """Return the context in which a component is made and run: the strategy's scope, or the target's first device.

    Raises:
      NotRun: If the target has no device here.
    """
    import tensorflow as tf

    if strategy.num_replicas_in_sync > 1:
        return strategy.scope()
    if not count_devices(target):
        raise NotRun(f"There is no {target.value.upper()} here.", remedy="Run on a machine that has one.")
    return tf.device(f"/{device_type(target)}:0")
