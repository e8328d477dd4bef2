"""The TPU of this machine or cluster, where there is one."""

from __future__ import annotations

import contextlib
import functools
import os
from pathlib import Path
from typing import Any

_FILES = ("/dev/accel0", "/dev/vfio/0")
_VARIABLES = ("TPU_NAME", "COLAB_TPU_ADDR")


@functools.cache
def tpu_strategy(replicas: int) -> Any:
    """Return a `TPUStrategy` over the first devices of the TPU of this machine or cluster, or None when there is none.

    The cluster resolver looks at the environment of a Cloud TPU machine; it is asked once a process, and only where one
    of the device files or variables of such a machine is there, since it waits for an answer elsewhere.

    Args:
      replicas: How many devices.
    """
    import tensorflow as tf

    if not _machine_may_have_one():
        return None
    with contextlib.suppress(ValueError, RuntimeError, tf.errors.OpError):
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver.connect(tpu=os.environ.get("TPU_NAME", "local"))
        topology = tf.tpu.experimental.initialize_tpu_system(resolver)
        assignment = tf.tpu.experimental.DeviceAssignment.build(topology, num_replicas=replicas)
        return tf.distribute.TPUStrategy(resolver, experimental_device_assignment=assignment)
    return None


def _machine_may_have_one() -> bool:
    return any(Path(file).exists() for file in _FILES) or any(name in os.environ for name in _VARIABLES)
