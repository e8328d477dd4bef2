"""What TensorFlow calls the devices of a target, and what is switched on a device that is no CPU."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from assay.conformance.model.vocabulary import Target


def device_type(target: Target) -> str:
    """Return TensorFlow's name for the devices of a target: `GPU`."""
    return target.value.upper()


def count_devices(target: Target) -> int:
    """Return how many devices of a target TensorFlow has; asking starts it."""
    import tensorflow as tf

    return len(tf.config.list_logical_devices(device_type(target)))


@contextlib.contextmanager
def on_the_device_alone(target: Target) -> Iterator[None]:
    """Keep TensorFlow from moving to the host what an accelerator has no kernel for: it fails, and names the operation.

    On the CPU nothing changes.
    """
    if target is Target.CPU:
        yield
        return
    import tensorflow as tf

    before = tf.config.get_soft_device_placement()
    tf.config.set_soft_device_placement(False)
    try:
        yield
    finally:
        tf.config.set_soft_device_placement(before)
