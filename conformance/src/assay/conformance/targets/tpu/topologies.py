"""The TPUs that people have: generation, shapes of slices, and the memory of a chip.

References:
  Google Cloud, "TPU architecture": https://cloud.google.com/tpu/docs/system-architecture-tpu-vm
"""

from __future__ import annotations

import dataclasses
import math
import re

from assay.conformance.model.errors import UsageError

_PLANES = ("1x1", "2x2", "2x4", "4x4", "4x8", "8x8", "8x16", "16x16")
_BOXES = ("2x2x1", "2x2x2", "2x2x4", "2x4x4")
_BLOCK = 4  # larger boxes are made of cubes of so many chips a side, up to the whole pod
_LARGER = re.compile(r"[1-9]\d*x[1-9]\d*x[1-9]\d*")


@dataclasses.dataclass(frozen=True)
class Topology:
    """A slice of TPUs to compile for.

    Attributes:
      generation: `v5e`.
      shape: The chips along each axis: `2x2`.
      memory_gib: The high-bandwidth memory of one chip, in GiB.
      cores: Devices a chip; each has its share of the memory.
      pod: The chips of the largest slice.
    """

    generation: str
    shape: str
    memory_gib: int
    cores: int = 1
    pod: int = 256

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
        Topology("v4", "2x2x1", 32, cores=2, pod=4096),
        Topology("v5e", "2x2", 16),
        Topology("v5p", "2x2x1", 95, pod=8960),
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
      UsageError: If there is no such generation, or no slice of it has the shape.
    """
    generation, _, shape = text.strip().casefold().partition(":")
    known = TOPOLOGIES.get(generation)
    if known is None:
        raise UsageError(
            f"There is no TPU generation {generation!r} in the topology {text!r}; the known ones are "
            f"{', '.join(TOPOLOGIES)}. Write it as v5e or as v5e:2x2."
        )
    shape = shape or known.shape
    if shape not in _shapes(known) and not _is_larger_box(known, shape):
        more = f", or made of cubes of {_BLOCK}x{_BLOCK}x{_BLOCK} chips (4x4x8)" if _is_box(known) else ""
        raise UsageError(
            f"The topology {text!r} has the shape {shape!r}, and no {generation} slice has; they are "
            f"{', '.join(_shapes(known))}{more}."
        )
    return dataclasses.replace(known, shape=shape)


def _is_box(topology: Topology) -> bool:
    return topology.shape in _BOXES


def _shapes(topology: Topology) -> tuple[str, ...]:
    return _BOXES if _is_box(topology) else _PLANES


def _is_larger_box(topology: Topology, shape: str) -> bool:
    if not _is_box(topology) or not _LARGER.fullmatch(shape):
        return False
    sides = [int(side) for side in shape.split("x")]
    return not any(side % _BLOCK for side in sides) and math.prod(sides) <= topology.pod
