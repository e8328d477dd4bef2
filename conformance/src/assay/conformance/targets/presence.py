"""Which targets have a device here."""

from __future__ import annotations

import contextlib
import functools
from typing import Any

from assay.conformance.model.vocabulary import Target


def is_present(target: Target) -> bool:
    """Whether TensorFlow sees a device of the target in this process; asking starts TensorFlow's devices."""
    import tensorflow as tf

    if target is Target.TPU:
        return tpu_strategy() is not None
    return target is Target.CPU or bool(tf.config.list_logical_devices(target.value.upper()))


@functools.cache
def tpu_strategy() -> Any:
    """Return a `TPUStrategy` over the TPU of this machine or cluster, or None when there is none.

    The cluster resolver looks at the environment of a Cloud TPU machine; it is asked once a process, and only where one
    of the device files or variables of such a machine is there, since it waits for an answer elsewhere.
    """
    import tensorflow as tf

    if not _machine_may_have_one():
        return None
    with contextlib.suppress(ValueError, RuntimeError, tf.errors.OpError):
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver.connect(tpu="local")
        return tf.distribute.TPUStrategy(resolver)
    return None


def _machine_may_have_one() -> bool:
    import os
    from pathlib import Path

    files = (Path("/dev/accel0"), Path("/dev/vfio/0"))
    return any(path.exists() for path in files) or any(name in os.environ for name in ("TPU_NAME", "COLAB_TPU_ADDR"))
