"""What the two processes say to each other: one JSON object a line."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from assay.conformance.importing import SubjectSpec
from assay.conformance.model.vocabulary import Mode
from assay.conformance.runner import Step
from assay.conformance.targets.tpu.topologies import DEFAULT_TOPOLOGY


@dataclasses.dataclass(frozen=True, kw_only=True)
class Request:
    """What a process is to check: one subject of what a specification names.

    Attributes:
      spec: Where the subjects are imported from, and what is added to them.
      index: Which of them.
      targets: The targets.
      modes: Only these modes; all when None.
      select: Only these rules; all when None.
      ignore: All rules but these.
      seed: Where all randomness starts from.
      max_examples: How many cases a property search looks at.
      tpu_topology: The TPU to compile for where there is none.
      timeout: Seconds that one check may take.
      known: Steps that have a result already, as (target, rule, mode).
      verbose: Whether the process may write to standard error.
      record: Whether to say what the checks call, because a replay is to be folded in.
    """

    spec: SubjectSpec
    index: int = 0
    targets: tuple[str, ...] = ("cpu",)
    modes: tuple[str, ...] | None = None
    select: tuple[str, ...] | None = None
    ignore: tuple[str, ...] | None = None
    seed: int = 0
    max_examples: int | None = None
    tpu_topology: str = DEFAULT_TOPOLOGY.name
    timeout: float | None = None
    known: tuple[tuple[str, str, str], ...] = ()
    verbose: bool = False
    record: bool = False

    def to_dict(self) -> dict[str, Any]:
        """The request as plain JSON values."""
        plain = dataclasses.asdict(self)
        plain["spec"]["folder"] = str(self.spec.folder) if self.spec.folder else None
        return plain

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> Request:
        """The request that `to_dict` wrote."""
        spec = dict(plain.pop("spec"))
        spec["folder"] = Path(spec["folder"]) if spec["folder"] else None
        known = tuple((target, rule, mode) for target, rule, mode in plain.pop("known"))
        lists = {key: _as_tuple(plain.pop(key)) for key in ("targets", "modes", "select", "ignore")}
        return cls(spec=SubjectSpec(**spec), known=known, **lists, **plain)

    def known_on(self, target: str) -> set[Step]:
        """The steps on a target that have a result already."""
        return {Step(rule, Mode(mode)) for its_target, rule, mode in self.known if its_target == target}


def _as_tuple(values: list[str] | None) -> Any:
    return None if values is None else tuple(values)
