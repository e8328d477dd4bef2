"""K003 config-faithful: a changed value in the config is a changed value in the metric made of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from assay.conformance.context import Context
from assay.conformance.harness import metrics
from assay.conformance.harness.calls import calling
from assay.conformance.model import Level, Mode, NotApplicable, Rule, SubjectError, Violation
from assay.conformance.specimens import DEVIATION, IOU, SoundDeviation, SoundIoU

RULE = Rule(
    id="K003",
    slug="config-faithful",
    level=Level.MUST,
    requirement="An entry of the config that is changed reads back changed from the metric made of that config.",
    checks=(
        "Changes each number, switch and the name in the config, one at a time, makes a metric of it and compares its "
        "config. A value that is refused is left out."
    ),
    why=(
        "Configs are edited in files and by sweeps. An entry that is read and then dropped makes a sweep of equal runs."
    ),
    bad="""
@classmethod
def from_config(cls, config):
    return cls(name=config["name"])  # the rest of the config is dropped
""",
    good="""
@classmethod
def from_config(cls, config):
    return cls(**config)
""",
    modes=(Mode.EAGER,),
)


def check(ctx: Context) -> None:
    """Change entries one at a time and read them back."""
    metric, config = metrics.config_of(ctx)
    metrics.rebuild(metric, config)
    looked = False
    for key, value in config.items():
        for other in _others(key, value):
            try:
                rebuilt = metrics.rebuild(metric, {**config, key: other})
            except SubjectError:
                continue  # a value that is refused
            with calling("get_config() of a rebuilt metric"):
                found = rebuilt.get_config().get(key)
            looked = True
            if found != other and not _close(ctx, found, other):
                raise Violation(
                    f"the config with {key!r} changed from {value!r} to {other!r} gives a metric whose config says "
                    f"{found!r}",
                    cause="`from_config` drops the entry, or the constructor does not keep it",
                    fix="Pass every entry to the constructor (`cls(**config)`), and keep the argument as it was given.",
                )
            break
    if not looked:
        raise NotApplicable("No entry of the config is a number, a switch or a name.")


def _others(key: str, value: Any) -> Iterator[Any]:
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, float):
        yield from (value * 0.5 if value else 0.25, value + 1.0)
    elif isinstance(value, int):
        yield from (value + 1, value - 1)
    elif isinstance(value, str) and key == "name":
        yield f"{value}_other"


def _close(ctx: Context, one: Any, two: Any) -> bool:
    return isinstance(one, float) and isinstance(two, float) and ctx.tolerance("metrics").allows(one, two)


class _DropsTheRest(SoundDeviation):
    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        return cls(name=config["name"])


class _KeepsTheDefault(SoundIoU):
    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "num_classes": 4}


MUTANTS = (
    DEVIATION.replace(factory=_DropsTheRest, name="from_config drops an entry"),
    IOU.replace(factory=_KeepsTheDefault, name="writes a constant"),
)
TWIN = DEVIATION
