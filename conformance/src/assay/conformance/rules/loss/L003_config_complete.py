"""L003 config-complete: every argument of the constructor is in the config."""

from __future__ import annotations

import inspect
from typing import Any

from assay.conformance.context import Context
from assay.conformance.harness import losses
from assay.conformance.model import Level, Mode, NotApplicable, Rule, Violation
from assay.conformance.specimens import HUBER_LOSS, SUMMING_LOSS, SoundHuber

RULE = Rule(
    id="L003",
    slug="config-complete",
    level=Level.SHOULD,
    requirement="Every named argument of the constructor is an entry of the config.",
    checks=(
        "Compares the names in the constructor's signature with the keys of `get_config()`. `dtype` may be left out, "
        "as "
        "Keras' own losses do, and so may a deprecated argument whose default stands for not given."
    ),
    why=(
        "What is not in the config is not in a saved experiment: the run cannot be repeated from its own record, even "
        "if "
        "the default is what was used today."
    ),
    bad="""
def __init__(self, alpha=0.25, gamma=2.0): ...
def get_config(self):
    return {"alpha": self.alpha}
""",
    good="""
def __init__(self, alpha=0.25, gamma=2.0): ...
def get_config(self):
    return {"alpha": self.alpha, "gamma": self.gamma}
""",
    modes=(Mode.EAGER,),
)

OPTIONAL = ("self", "dtype", "name")


def check(ctx: Context) -> None:
    """Compare signature and config."""
    loss, config = losses.config_of(ctx)
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    try:
        parameters = inspect.signature(type(loss).__init__).parameters.values()
    except (TypeError, ValueError) as error:
        raise NotApplicable("The constructor has no signature that Python can read.") from error
    wanted = [p.name for p in parameters if p.kind in kinds and p.name not in OPTIONAL]
    missing = [name for name in wanted if name not in config]
    if missing:
        raise Violation(
            f"the constructor takes {', '.join(wanted)}, and the config has {', '.join(config) or 'nothing'}: "
            f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing",
            cause="`get_config` was written before the argument was",
            fix="Add the argument to `get_config`.",
        )


class _OneMissing(SoundHuber):
    def get_config(self) -> dict[str, Any]:
        return {"reduction": self.reduction, "name": self.name}


class _AddsAnArgument(SoundHuber):
    def __init__(self, *, scale: float = 1.0, **options: Any) -> None:
        super().__init__(**options)
        self.scale = scale


MUTANTS = (
    HUBER_LOSS.replace(factory=_OneMissing, name="one argument is missing"),
    HUBER_LOSS.replace(factory=_AddsAnArgument, name="a subclass adds an argument"),
)
TWIN = SUMMING_LOSS
