"""The TPUs that people have: generation, shape of a small slice, and the memory of a chip.

References:
  Google Cloud, "TPU architecture": https://cloud.google.com/tpu/docs/system-architecture-tpu-vm
"""

from __future__ import annotations

import dataclasses
import math
import re

from assay.conformance.model.errors import UsageError
from assay.conformance.suggestions import did_you_mean

_SHAPE = re.compile(r"[1-9]\d*(x[1-9]\d*){1,2}")


@dataclasses.dataclass(frozen=True)
class Topology:
    """A slice of TPUs to compile for.

    Attributes:
      generation: `v5e`.
      shape: The chips along each axis: `2x2`.
      memory_gib: The high-bandwidth memory of one chip, in GiB.
      cores: Devices a chip; each has its share of the memory.
    """

    generation: str
    shape: str
    memory_gib: int
    cores: int = 1

    @property
    def name(self) -> str:
        """The name that the compiler knows: `v5e:2x2`."""
        return f"{self.generation}:{self.shape}"

    @property
    def devices(self) -> int:
        """How many devices the slice has."""
        return math.prod(map(int, self.shape.split("x"))) * self.cores

    @property
    def device_bytes(self) -> int:
        """The memory of one device, in bytes."""
        return self.memory_gib * 2**30 // self.cores


TOPOLOGIES = {
    topology.generation: topology
    for topology in (
        Topology("v4", "2x2x1", 32, cores=2),
        Topology("v5e", "2x2", 16),
        Topology("v5p", "2x2x1", 95),
        Topology("v6e", "2x2", 32),
    )
}
"""The smallest usual slice of each generation."""

DEFAULT_TOPOLOGY = TOPOLOGIES["v5e"]


def parse_topology(text: str) -> Topology:
    """Return the topology of a name.

    Args:
      text: A generation (`v6e`), or a generation and a shape (`v6e:2x2`, `v4:2x2x1`).

    Raises:
      UsageError: If there is no such generation, or the shape is none of its number of axes.
    """
    generation, _, shape = text.strip().casefold().partition(":")
    known = TOPOLOGIES.get(generation)
    if known is None:
        raise UsageError(
            f"There is no TPU generation {generation!r} in the topology {text!r}; "
            f"{did_you_mean(generation, TOPOLOGIES)}. Write it as v5e or as v5e:2x2."
        )
    shape = shape or known.shape
    if not _SHAPE.fullmatch(shape) or shape.count("x") != known.shape.count("x"):
        raise UsageError(
            f"The topology {text!r} has the shape {shape!r}; a {generation} slice has one like {known.shape}."
        )
    return dataclasses.replace(known, shape=shape)
