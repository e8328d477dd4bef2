"""L002 config-behaviour: a loss rebuilt from its config computes the same."""

from __future__ import annotations

from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness import losses
from assay.conformance.harness.samples import sample_of
from assay.conformance.model import Level, Mode, Rule, Violation
from assay.conformance.specimens import SUMMING_LOSS, SoundHuber

RULE = Rule(
    id="L002",
    slug="config-behaviour",
    level=Level.MUST,
    requirement="`from_config(get_config())` gives a loss that computes the same values.",
    checks=(
        "Rebuilds the loss from its config and compares it with the original on three grown batches. The rule sees "
        "most "
        "where the factory gives arguments other than the defaults."
    ),
    why=(
        "Keras rebuilds the loss when it loads a compiled model, and clones it. An argument that is missing from the "
        "config falls back to its default without a word, and fine-tuning goes on with another loss."
    ),
    bad="""
def get_config(self):
    return super().get_config()  # gamma is lost
""",
    good="""
def get_config(self):
    return {**super().get_config(), "gamma": self.gamma}
""",
    modes=(Mode.EAGER,),
)

BATCHES = 3


def check(ctx: Context) -> None:
    """Compare the rebuilt loss with the original."""
    loss, config = losses.config_of(ctx)
    original = losses.component(ctx)
    rebuilt = losses.adapted(ctx, losses.rebuild(loss, config))
    for seed in range(BATCHES):
        batch = sample_of(ctx).grow(5, seed=seed)
        expected, found = losses.value(ctx, original, batch), losses.value(ctx, rebuilt, batch)
        if found.shape != expected.shape or not ctx.tolerance("loss").allows(found, expected):
            raise Violation(
                f"rebuilt from {config}, the loss is {np.ravel(found)[:3].tolist()}; the original gives "
                f"{np.ravel(expected)[:3].tolist()}",
                cause="an argument of the constructor is missing from the config, or is another after `__init__`",
                fix="Return every argument of the constructor from `get_config`, as it was given.",
            )


class _LosesDelta(SoundHuber):
    def get_config(self) -> dict[str, Any]:
        return {"reduction": self.reduction, "name": self.name}


class _LosesReduction(SoundHuber):
    def get_config(self) -> dict[str, Any]:
        return {"delta": self.delta, "name": self.name}


class _StoresTheSquare(SoundHuber):
    """Keeps what it computes from the argument under the argument's name."""

    def __init__(self, *, delta: float = 1.0, **options: Any) -> None:
        super().__init__(delta=delta**2, **options)


def _made(cls: type[SoundHuber]) -> Any:
    return lambda: cls(delta=0.5, reduction="sum")


MUTANTS = (
    SUMMING_LOSS.replace(factory=_made(_LosesDelta), name="loses an argument"),
    SUMMING_LOSS.replace(factory=_made(_LosesReduction), name="loses the reduction"),
    SUMMING_LOSS.replace(factory=_made(_StoresTheSquare), name="stores what it computed"),
)
TWIN = SUMMING_LOSS
