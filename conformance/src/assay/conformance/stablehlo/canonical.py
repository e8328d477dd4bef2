"""A module in one form, whatever was traced before it: two exports of the same program are the same bytes."""

from __future__ import annotations

import dataclasses
import re

from assay.conformance.stablehlo import adapter
from assay.conformance.stablehlo.hlo import without_copies

_SYMBOL = re.compile(r'@(?:"[^"]*"|[\w.$-]+)')
_ALIASES = re.compile(
    r"parameter_index = array<i64>, parameter_number = (?P<parameter>\d+) : i64}, "
    r"output_index = array<i64(?:: (?P<output>\d+))?>"
)
_CUSTOM_CALL = re.compile(r"stablehlo\.custom_call @([\w.$-]+)")
_ON_ALL_PLATFORMS = frozenset({"TopK", "Sharding"})
_OWN_GENERATOR = re.compile(r"\bstablehlo\.rng\b(?!_)|rng_bit_generator [^\n]*algorithm = DEFAULT")
_KEPT = "main"


@dataclasses.dataclass(frozen=True)
class Exported:
    """A program that can be run elsewhere.

    Attributes:
      artifact: A portable artifact of StableHLO.
      text: The same as MLIR text, with plain names and without attributes of the module.
      aliases: For each result that is the new value of a variable, by number: the argument that held the old one.
      custom_calls: What it calls that only some platforms have.
      own_generator: Whether it draws random numbers from a generator that each platform has its own of.
    """

    artifact: bytes
    text: str
    aliases: dict[int, int]
    custom_calls: tuple[str, ...]
    own_generator: bool


def exported(module: bytes) -> Exported:
    """Return an HLO module as a program that can be run elsewhere.

    Args:
      module: A serialised `xla.HloModuleProto`, as `tf.function(jit_compile=True).experimental_get_compiler_ir` gives
        for the stage `hlo_serialized`.

    Raises:
      JaxMissingError: If jax is not there.
      ValueError, RuntimeError: If an instruction has no equivalent in StableHLO.
    """
    with adapter.mlir_context():
        parsed = adapter.parse(adapter.stablehlo_of(without_copies(module)))
        attributes = parsed.operation.attributes
        found = _ALIASES.finditer(str(attributes["mhlo.input_output_alias"])) if _has_aliases(attributes) else ()
        aliases = {int(match["output"] or 0): int(match["parameter"]) for match in found}
        for name in [str(one if isinstance(one, str) else one.name) for one in attributes]:
            del attributes[name]
        text = _with_plain_names(str(parsed))
        artifact = adapter.write_artifact(adapter.parse(text))
    calls = sorted(set(_CUSTOM_CALL.findall(text)) - _ON_ALL_PLATFORMS)
    return Exported(artifact, text, aliases, tuple(calls), bool(_OWN_GENERATOR.search(text)))


def _has_aliases(attributes: object) -> bool:
    return "mhlo.input_output_alias" in attributes  # type: ignore[operator]


def _with_plain_names(text: str) -> str:
    """The text with functions numbered as they come: TensorFlow names them after layers, which it counts a process."""
    names: dict[str, str] = {}

    def plain(match: re.Match[str]) -> str:
        name = match.group()
        start = text[max(0, match.start() - 24) : match.start()]
        if name[1:] == _KEPT or start.endswith("custom_call "):
            return name
        return names.setdefault(name, f"@f{len(names)}")

    return _SYMBOL.sub(plain, text)
