"""L005 config-faithful: a value changed in the config is changed in the rebuilt loss."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from assay.conformance.context import Context
from assay.conformance.harness import losses
from assay.conformance.harness.calls import calling
from assay.conformance.model import Level, Mode, NotApplicable, Rule, SubjectError, Violation
from assay.conformance.specimens import HUBER_LOSS, SUMMING_LOSS, SoundHuber

RULE = Rule(
    id="L005",
    slug="config-faithful",
    level=Level.MUST,
    requirement="A number, switch or name that is changed in the config is read back changed from the rebuilt loss.",
    checks=(
        "Changes each simple entry of the config, one at a time (a number becomes half of it or one more, a switch the "
        "other way, a name another name, a reduction another reduction), rebuilds the loss, and reads its config. A "
        "value "
        "that the constructor refuses is left alone."
    ),
    why=(
        "An entry that is written and not read is worse than one that is missing: the record of an experiment says "
        "gamma 2 and the run used the default."
    ),
    bad="""
@classmethod
def from_config(cls, config):
    return cls(name=config["name"])  # the rest is dropped
""",
    good="""
@classmethod
def from_config(cls, config):
    return cls(**config)
""",
    modes=(Mode.EAGER,),
)

REDUCTIONS = ("sum", "none", "sum_over_batch_size")


def check(ctx: Context) -> None:
    """Change entries one at a time and read them back."""
    loss, config = losses.config_of(ctx)
    losses.rebuild(loss, config)
    looked = False
    for key, value in config.items():
        for other in _others(key, value):
            try:
                rebuilt = losses.rebuild(loss, {**config, key: other})
            except SubjectError:
                continue  # a value that is refused
            with calling("get_config() of a rebuilt loss"):
                found = rebuilt.get_config().get(key)
            looked = True
            if found != other and not _close(found, other):
                raise Violation(
                    f"the config with {key!r} changed from {value!r} to {other!r} gives a loss whose config says "
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
    elif isinstance(value, str) and key == "reduction":
        yield from (name for name in REDUCTIONS if name != value)


def _close(one: Any, two: Any) -> bool:
    return isinstance(one, float) and isinstance(two, float) and abs(one - two) < 1e-6 * abs(two)


class _DropsTheRest(SoundHuber):
    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        return cls(name=config["name"], reduction=config["reduction"])


class _KeepsTheDefaultName(SoundHuber):
    def __init__(self, *, delta: float = 1.0, reduction: str = "sum_over_batch_size", name: str = "huber") -> None:
        super().__init__(delta=delta, reduction=reduction)
        del name


MUTANTS = (
    HUBER_LOSS.replace(factory=_DropsTheRest, name="from_config drops an entry"),
    HUBER_LOSS.replace(factory=_KeepsTheDefaultName, name="ignores its name"),
)
TWIN = SUMMING_LOSS
