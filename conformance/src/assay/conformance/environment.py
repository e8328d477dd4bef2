"""What a report was made on: versions, Keras flavours and devices."""

from __future__ import annotations

import importlib.metadata
import platform
import sys
from typing import Any

_PACKAGES = ("tensorflow", "keras", "tf_keras", "numpy", "assay-conformance")


def describe_environment(*, seed: int) -> dict[str, Any]:
    """Return the environment as plain JSON values; TensorFlow is asked for its devices, which starts it.

    Args:
      seed: The seed of the run.
    """
    import tensorflow as tf
    from assay.conformance.harness.flavour import default_flavour

    flavour = default_flavour()
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "tensorflow": tf.__version__,
        "keras_flavour": flavour,
        "keras_version": _version(flavour),
        "versions": {name: _version(name) for name in _PACKAGES if _version(name)},
        "loaded_flavours": [name for name in ("keras", "tf_keras") if name in sys.modules],
        "devices": [device.name for device in tf.config.list_logical_devices()],
        "seed": seed,
    }


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return ""
