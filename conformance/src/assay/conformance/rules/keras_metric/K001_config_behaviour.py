"""K001 config-behaviour: a metric rebuilt from its config counts the same."""

from __future__ import annotations

from typing import Any

from assay.conformance.context import Context
from assay.conformance.harness import metrics
from assay.conformance.harness.samples import sample_of
from assay.conformance.model import Level, Mode, Rule, Violation
from assay.conformance.specimens import DEVIATION, SoundDeviation

RULE = Rule(
    id="K001",
    slug="config-behaviour",
    level=Level.MUST,
    requirement="A metric made by `from_config(get_config())` gives the same result after the same updates.",
    checks=(
        "Rebuilds the metric from its config, updates both with two batches and compares the results. Give a factory "
        "with arguments that are not the defaults: with defaults a forgotten argument cannot be seen."
    ),
    why=(
        "Saved models and cloned evaluators rebuild metrics from configs. A threshold or a class weight that is "
        "forgotten changes the published number without a word."
    ),
    bad="""
def get_config(self):
    return {"name": self.name}  # the threshold is forgotten
""",
    good="""
def get_config(self):
    return {**super().get_config(), "threshold": self.threshold}
""",
    modes=(Mode.EAGER,),
    references=("tensorflow/models: MeanIoU raises a TypeError when it is rebuilt",),
)


def check(ctx: Context) -> None:
    """Compare a rebuilt metric with the original."""
    original = metrics.fresh(ctx)
    rebuilt = metrics.adapted(ctx, metrics.rebuild(*metrics.config_of(ctx)))
    sample = sample_of(ctx)
    for number in range(2):
        batch = sample.grow(4, seed=number)
        for metric in (original, rebuilt):
            metrics.update(ctx, metric, batch)
        differs = metrics.difference(ctx, metrics.result(ctx, rebuilt), metrics.result(ctx, original))
        if differs:
            raise Violation(
                f"rebuilt from its config and updated {number + 1} times, {differs}, as of the original",
                cause="a constructor argument is not in the config, or `from_config` drops it",
                fix="Put every constructor argument into `get_config`.",
            )


class _ForgetsTheScale(SoundDeviation):
    def __init__(self, *, scale: float = 1.0, name: str = "deviation", dtype: str = "float32") -> None:
        super().__init__(scale=scale, name=name, dtype=dtype)

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "dtype": self.dtype}


class _WritesAnUnknownKey(SoundDeviation):
    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "num_classes": 3}


class _ScalesTwice(SoundDeviation):
    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "scale": self.scale**2}


def _forgets_the_scale() -> Any:
    return _ForgetsTheScale(scale=2.0)


def _writes_an_unknown_key() -> Any:
    return _WritesAnUnknownKey(scale=2.0)


def _scales_twice() -> Any:
    return _ScalesTwice(scale=2.0)


MUTANTS = (
    DEVIATION.replace(factory=_forgets_the_scale, name="forgets an argument"),
    DEVIATION.replace(factory=_writes_an_unknown_key, name="writes a key that the constructor does not know"),
    DEVIATION.replace(factory=_scales_twice, name="writes a derived value"),
)
TWIN = DEVIATION
