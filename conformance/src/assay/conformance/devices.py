"""Devices: the logical CPU devices that replica rules run on, which must be set up before TensorFlow starts."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable

from assay.conformance.model.vocabulary import Target

LOGICAL_CPUS = 2


def set_up_devices(targets: Iterable[Target] = (Target.CPU,), *, hide_others: bool = False) -> bool:
    """Split the CPU into two logical devices, unless TensorFlow has started or the program has done so itself.

    Call it before anything uses TensorFlow's devices: making one tensor is enough to start them.

    Args:
      targets: The targets that will be checked.
      hide_others: Hide GPUs when they are no target, so that TensorFlow does not start them.

    Returns:
      Whether at least two logical CPU devices are there now. False means that replica rules cannot be run in this
      process.
    """
    _avoid_defects()
    import tensorflow as tf

    configure_devices(targets, hide_others=hide_others)
    return len(tf.config.list_logical_devices("CPU")) >= LOGICAL_CPUS


def configure_devices(targets: Iterable[Target] = (Target.CPU,), *, hide_others: bool = False) -> None:
    """Ask for the devices of `set_up_devices` without starting TensorFlow; once it has started, nothing changes.

    Args:
      targets: As for `set_up_devices`.
      hide_others: As for `set_up_devices`.
    """
    _avoid_defects()
    import tensorflow as tf

    try:
        if hide_others and Target.GPU not in set(targets):
            tf.config.set_visible_devices([], "GPU")
        elif Target.GPU in set(targets):
            prepare_gpus()
        cpu = tf.config.list_physical_devices("CPU")[0]
        if tf.config.get_logical_device_configuration(cpu) is None:
            tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * LOGICAL_CPUS)
    except RuntimeError:
        # TensorFlow refuses changes once it has started; what is there then has to do.
        pass


def prepare_gpus() -> None:
    """Ask for results of GPUs that can be compared, and let other processes use them too.

    Raises:
      RuntimeError: If TensorFlow has started.
    """
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        tf.config.experimental.enable_op_determinism()  # sums of a GPU come in any order otherwise
    for gpu in gpus:
        tf.config.experimental.set_memory_growth(gpu, True)  # a run is resumed in a process of its own


def usable_cpus() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def quieten_environment() -> None:
    """Ask TensorFlow's native code for errors only, and for sound kernels; both are read once, when it is imported."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    _avoid_defects()


def _avoid_defects() -> None:
    """Switch oneDNN off when TensorFlow is not imported yet: see `harness/tasks/empty_convolutions.py`."""
    if "tensorflow" not in sys.modules:
        os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")


def quieten_python() -> None:
    """Ask TensorFlow's Python code, and absl, for errors only."""
    import logging

    import tensorflow as tf

    tf.get_logger().setLevel(logging.ERROR)
    logging.getLogger("absl").setLevel(logging.ERROR)
