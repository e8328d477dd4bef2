"""K002 names-stable: the metric keeps its name, and its variables have distinct names."""

from __future__ import annotations

from collections import Counter
from typing import Any

from assay.conformance.context import Context
from assay.conformance.harness import metrics
from assay.conformance.harness.calls import calling
from assay.conformance.harness.samples import sample_of
from assay.conformance.model import Level, Mode, NotApplicable, Rule, Violation
from assay.conformance.specimens import HIT_RATE, IOU, SoundHitRate, SoundIoU

RULE = Rule(
    id="K002",
    slug="names-stable",
    level=Level.MUST,
    requirement="`name` is text and stays the same through updates, results, resets and configs; no two variables of "
    "the metric have one name.",
    checks=(
        "Reads `name` after construction, an update, a result and a reset; rebuilds the metric from its config, and "
        "from its config with another name, and reads it again. Compares the full names (`path` in Keras 3) of the "
        "variables."
    ),
    why=(
        "Logs, summaries and the choice of the best checkpoint look a metric up by its name. When it changes, curves "
        "break in two; when two variables share a name, one overwrites the other in files keyed by name."
    ),
    bad="""
def __init__(self, name=None):
    super().__init__(name="accuracy")  # whatever was asked for
""",
    good="""
def __init__(self, name="accuracy", **kwargs):
    super().__init__(name=name, **kwargs)
""",
    modes=(Mode.EAGER,),
)

_OTHER = "another_name"


def check(ctx: Context) -> None:
    """Read the name at every turn."""
    metric = metrics.fresh(ctx, steady=False)
    name = getattr(metric.metric, "name", None)
    if not isinstance(name, str) or not name:
        raise _violation(f"the name is {name!r}, and no text")
    metrics.update(ctx, metric, sample_of(ctx).grow(3))
    _same(metric.metric, name, "after an update")
    metrics.result(ctx, metric)
    _same(metric.metric, name, "after a result")
    metric.reset()
    _same(metric.metric, name, "after a reset")
    names = Counter(str(getattr(one, "path", None) or getattr(one, "name", "")) for one in metric.variables)
    twice = [one for one, count in names.items() if one and count > 1]
    if twice:
        raise Violation(
            f"{names[twice[0]]} variables are called {twice[0]!r}",
            cause="variables are made in a loop, or by two metrics inside the metric, under one name",
            fix="Give each variable a name of its own in `add_weight`.",
        )
    _check_configs(ctx, name)


def _check_configs(ctx: Context, name: str) -> None:
    try:
        metric, config = metrics.config_of(ctx)
        rebuilt = metrics.rebuild(metric, config) if "name" in config else None
    except NotApplicable:
        return
    if rebuilt is None:
        return
    _same(rebuilt, metric.name, "rebuilt from the config")
    with calling(f"from_config with the name {_OTHER!r}"):
        other = metrics.rebuild(metric, {**config, "name": _OTHER})
    _same(other, _OTHER, f"rebuilt with the name {_OTHER!r}")


def _same(metric: Any, name: str, when: str) -> None:
    if metric.name != name:
        raise _violation(f"{when} the name is {metric.name!r}, and should be {name!r}")


def _violation(observed: str) -> Violation:
    return Violation(
        observed,
        cause="the constructor ignores the name, or a method changes it",
        fix="Pass `name` on to the base class, and leave it alone from then on.",
    )


class _IgnoresItsName(SoundHitRate):
    def __init__(self, *, name: str = "hit_rate", dtype: str = "float32") -> None:
        super().__init__(name="hit_rate", dtype=dtype)
        del name


class _AddsTheStep(SoundHitRate):
    def accumulate(self, values: Any, weights: Any) -> None:
        self.name = f"{self.name}_1"
        super().accumulate(values, weights)


class _TwiceOneName(SoundIoU):
    def __init__(self) -> None:
        super().__init__()
        self.second = self.add("confusion")


MUTANTS = (
    HIT_RATE.replace(factory=_IgnoresItsName, name="ignores its name"),
    HIT_RATE.replace(factory=_AddsTheStep, name="changes its name"),
    IOU.replace(factory=_TwiceOneName, name="two variables of one name"),
)
TWIN = HIT_RATE
