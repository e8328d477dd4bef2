"""S111 mappings-nest: any mapping is a group, an empty one included."""

from __future__ import annotations

import collections
import types
from collections.abc import Iterator, Mapping
from typing import Any

from assay.conformance.context import Context
from assay.conformance.harness import summaries
from assay.conformance.harness.calls import calling
from assay.conformance.model import Level, Mode, Rule, SubjectError, Violation
from assay.conformance.specimens import SCALAR_MANAGER, SoundSummaryManager

RULE = Rule(
    id="S111",
    slug="mappings-nest",
    level=Level.MUST,
    requirement="Any mapping is a group, not dict alone, at any depth; an empty one writes nothing and is no error.",
    checks=(
        "Writes groups, and the whole summary dict, as an OrderedDict, a defaultdict, a UserDict, a MappingProxyType "
        "and a Mapping of a class of its own, reads the values back, and writes empty groups among others."
    ),
    why=(
        "Configurations freeze their dicts, frameworks wrap them (TensorFlow's trackable dicts, FrozenDict), and a "
        "metric without classes yields an empty one. `isinstance(value, dict)` takes all of these for leaves, and the "
        "error is about a mapping that cannot be converted to a tensor."
    ),
    bad="""
if isinstance(value, dict):
    self.write_summaries(value)
""",
    good="""
if isinstance(value, collections.abc.Mapping):
    self.write_summaries(value)
""",
    modes=(Mode.EAGER,),
    traits=("reader",),
)


class _OwnMapping(Mapping[str, Any]):
    """A mapping that is no dict."""

    def __init__(self, entries: dict[str, Any]) -> None:
        self._entries = entries

    def __getitem__(self, key: str) -> Any:
        return self._entries[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


def _default_dict(entries: dict[str, Any]) -> Any:
    return collections.defaultdict(float, entries)


MAPPINGS: dict[str, Any] = {
    "OrderedDict": collections.OrderedDict,
    "defaultdict": _default_dict,
    "UserDict": collections.UserDict,
    "MappingProxyType": types.MappingProxyType,
    "a Mapping of its own class": _OwnMapping,
}


def check(ctx: Context) -> None:
    """Write each kind of mapping, as a group and as a whole."""
    with summaries.sandbox() as root:
        for number, (name, make) in enumerate(MAPPINGS.items()):
            inner = {"road": 0.5, "deep": make({"AP": 0.25})}
            whole = make({"loss": 1.0, "iou": make(inner)})
            for kind, values in (("a group", {"loss": 1.0, "iou": make(inner)}), ("the whole", whole)):
                _check(ctx, root / f"run{number}{kind[-5:]}", f"with {name} as {kind}", values, _plain(whole))
        for kind, empty in (("an empty dict", {}), ("an empty MappingProxyType", types.MappingProxyType({}))):
            values = {"loss": 1.0, "none": empty, "iou": {"road": 0.5, "none": empty}}
            _check(ctx, root / kind, f"with {kind} as a group", values, {"loss": 1.0, "iou": {"road": 0.5}})
            with summaries.managed(ctx, root / f"{kind} whole") as one, calling(f"write_summaries({kind})"):
                one.write(empty, step=1)
                one.flush()


def _check(ctx: Context, directory: Any, what: str, values: Any, plain: dict[str, Any]) -> None:
    try:
        with summaries.managed(ctx, directory) as one:
            one.write(values, step=1)
            records = one.finish()
    except SubjectError as error:
        said = " ".join(str(error.original).split())
        raise Violation(
            f"{what}, the manager raised {type(error.original).__name__}: {said[:160]}",
            cause="a mapping that is no dict is taken for a value",
            fix="Ask `isinstance(value, collections.abc.Mapping)`.",
        ) from error
    wrong = summaries.unwritten(records, plain)
    if wrong:
        raise Violation(
            f"{what}, {summaries.listed(wrong)}",
            cause="a mapping that is no dict, or is empty, is passed over, and more with it",
            fix="Ask `isinstance(value, collections.abc.Mapping)`, and treat an empty group as nothing to write.",
        )


def _plain(value: Any) -> Any:
    return {key: _plain(entry) for key, entry in value.items()} if hasattr(value, "items") else value


class _DictsOnly(SoundSummaryManager):
    def is_group(self, value: Any) -> bool:
        return isinstance(value, dict)


class _SkipsOtherMappings(SoundSummaryManager):
    def leaves(self, group: Mapping[str, Any], path: tuple[str, ...]) -> Any:
        kept = {key: value for key, value in group.items() if isinstance(value, dict) or not hasattr(value, "keys")}
        return super().leaves(kept, path)


class _RefusesEmpty(SoundSummaryManager):
    def leaves(self, group: Mapping[str, Any], path: tuple[str, ...]) -> Any:
        if not group:
            raise ValueError(f"The group {'/'.join(path)!r} is empty.")
        yield from super().leaves(group, path)


MUTANTS = (
    SCALAR_MANAGER.replace(factory=_DictsOnly, name="dicts only"),
    SCALAR_MANAGER.replace(factory=_SkipsOtherMappings, name="skips other mappings"),
    SCALAR_MANAGER.replace(factory=_RefusesEmpty, name="refuses an empty group"),
)
TWIN = SCALAR_MANAGER
