import sys
from pathlib import Path

import pytest
from assay.core.distribution import get_distribution_strategy

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(params=["default", "one_device", "mirrored_1", "mirrored_2"])
def strategy(request):
    """Every way to run on this machine: no strategy, one device, one replica and two."""
    return {
        "default": lambda: get_distribution_strategy("off"),
        "one_device": lambda: get_distribution_strategy("one_device"),
        "mirrored_1": lambda: get_distribution_strategy("mirrored"),
        "mirrored_2": lambda: get_distribution_strategy("mirrored", num_cpu_devices=2),
    }[request.param]()
