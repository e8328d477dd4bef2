"""Set up TensorFlow for every test: quiet, and two logical CPU devices so that replicas can be tested anywhere."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import pytest
from hypothesis import settings

settings.register_profile("assay", derandomize=True, deadline=None, print_blob=True)
settings.load_profile("assay")


@pytest.fixture(scope="session", autouse=True)
def _two_logical_cpu_devices(request: pytest.FixtureRequest) -> None:
    """Split the CPU in two before TensorFlow starts; tests without TensorFlow pay an import at most once."""
    import tensorflow as tf

    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
    )
