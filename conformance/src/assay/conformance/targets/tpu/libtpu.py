"""libtpu, which holds the TPU compiler and makes compile-only devices of any topology; jax reaches it.

It runs in a process of its own (`worker.py`): what libtpu does not like ends the process that loads it.
"""

from __future__ import annotations

import functools
import importlib.metadata
import os
import re
from typing import Any

from assay.conformance.stablehlo import adapter
from assay.conformance.stablehlo.hlo import without_copies
from assay.conformance.stablehlo.versions import private_corners

_ENVIRONMENT = {
    "TPU_SKIP_MDS_QUERY": "1",  # there is no TPU machine to ask about itself
    "TPU_ACCELERATOR_TYPE": "v5litepod-4",
    "TPU_WORKER_HOSTNAMES": "localhost",
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",  # nothing is run: several processes may compile at a time
}
_MEMORY = {
    "argument_bytes": "argument_size_in_bytes",
    "output_bytes": "output_size_in_bytes",
    "aliased_bytes": "alias_size_in_bytes",
    "temporary_bytes": "temp_size_in_bytes",
    "code_bytes": "generated_code_size_in_bytes",
}

_BUILT = re.compile(r"Built on (?P<day>\w+ +\d+ \d{4})")

Answer = dict[str, Any]
"""`{"taken": {...}}`, or why not: `{"missing": text}`, `{"inexpressible": text}`, `{"refused": text}`."""


def compile_module(module: bytes, topology: str, replicas: int) -> Answer:
    """Compile a program for the first devices of a topology.

    Args:
      module: A serialised `xla.HloModuleProto`.
      topology: `v5e:2x2`.
      replicas: How many devices run it together.
    """
    try:
        devices = _devices(topology)
    except (RuntimeError, ValueError, NotImplementedError) as refused:
        return {"missing": f"it makes no devices of the topology {topology}: {refused}"}
    if replicas > len(devices):
        return {"missing": f"the topology {topology} has {len(devices)} devices, and {replicas} are asked for"}
    with private_corners():
        from jax._src.lib import _jax
        from jax.extend.backend import get_compile_options

        own = devices[:replicas]
        options = get_compile_options(
            num_replicas=replicas, num_partitions=1, device_assignment=[[device.id] for device in own]
        )
        chosen = _jax.DeviceList(tuple(own))
    with adapter.mlir_context():
        try:
            parsed = adapter.parse(adapter.stablehlo_of(without_copies(module)))
        except (RuntimeError, ValueError) as inexpressible:
            return {"inexpressible": str(inexpressible)}
        try:
            executable = devices[0].client.compile(parsed, chosen, options)
        except (RuntimeError, ValueError) as refused:
            return {"refused": str(refused), "compiler": _version(devices[0].client)}
    memory = executable.get_compiled_memory_stats()
    figures = {name: getattr(memory, attribute) for name, attribute in _MEMORY.items()}
    flops = float(executable.cost_analysis().get("flops", 0.0))
    return {"taken": {**figures, "flops": flops, "compiler": _version(devices[0].client)}}


@functools.cache
def _devices(topology: str) -> tuple[Any, ...]:
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    from jax.experimental import topologies

    return tuple(topologies.get_topology_desc(platform="tpu", topology_name=topology).devices)


def _version(client: Any) -> str:
    """`libtpu 0.0.52 of Nov 5 2026`."""
    built = _BUILT.search(client.platform_version)
    return f"libtpu {importlib.metadata.version('libtpu')}" + (f" of {built['day']}" if built else "")
