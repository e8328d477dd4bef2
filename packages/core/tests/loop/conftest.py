import sys
from pathlib import Path

import pytest
import tensorflow as tf

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(params=["default", "one_device", "mirrored_1", "mirrored_2"])
def strategy(request):
    """Every way to run on this machine: no strategy, one device, one replica and two."""
    return {
        "default": tf.distribute.get_strategy,
        "one_device": lambda: tf.distribute.OneDeviceStrategy("CPU:0"),
        "mirrored_1": lambda: tf.distribute.MirroredStrategy(["CPU:0"]),
        "mirrored_2": lambda: tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]),
    }[request.param]()
