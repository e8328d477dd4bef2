"""L001 config-serialisable: `get_config()` survives JSON."""

from __future__ import annotations

from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness import losses
from assay.conformance.lazy import tf
from assay.conformance.model import Level, Mode, Rule, Violation
from assay.conformance.specimens import CROSS_ENTROPY, HUBER_LOSS, SoundCrossEntropy, SoundHuber

RULE = Rule(
    id="L001",
    slug="config-serialisable",
    level=Level.MUST,
    requirement="`get_config()` gives what JSON can hold, and it comes back from JSON unchanged.",
    checks=(
        "Writes the config with `json.dumps`, and where that fails with the serializer of the loss's own Keras "
        "flavour, "
        "which also holds nested objects and functions that are registered; reads it back and compares. A loss without "
        "`get_config` has no config to check."
    ),
    why=(
        "Saving a compiled model writes the config of its loss. A tensor or an array in it fails after the epoch has "
        "been "
        "trained; a tuple that comes back as a list is a smaller surprise."
    ),
    bad="""
def get_config(self):
    return {"class_weights": self.class_weights}  # a tensor
""",
    good="""
def get_config(self):
    return {"class_weights": [float(weight) for weight in self.class_weights]}
""",
    modes=(Mode.EAGER,),
    references=("tensorflow/tensorflow#32612",),
)


def check(ctx: Context) -> None:
    """Send the config through JSON."""
    loss, config = losses.config_of(ctx)
    back, problem = losses.through_json(loss, config)
    if problem:
        kinds = ", ".join(f"{key} is a {type(value).__name__}" for key, value in config.items() if not _plain(value))
        raise Violation(
            f"the config {problem}" + (f" ({kinds})" if kinds else ""),
            cause="a tensor, an array or an object is put into the config as it is",
            fix="Put plain numbers, strings, lists and dicts into the config, and convert them in `__init__`.",
        )
    for key, value in config.items():
        if not _same(back.get(key), value):
            raise Violation(
                f"the entry {key!r} is {value!r} before JSON and {back.get(key)!r} after it",
                cause="the value has a type that JSON writes as another one",
                fix="Put plain numbers, strings, lists and dicts with string keys into the config.",
            )


def _plain(value: Any) -> bool:
    return value is None or isinstance(value, bool | int | float | str | list | tuple | dict)


def _same(one: Any, two: Any) -> bool:
    if isinstance(two, list | tuple):
        same_length = isinstance(one, list | tuple) and len(one) == len(two)
        return same_length and all(_same(*pair) for pair in zip(one, two, strict=True))
    if isinstance(two, dict):
        return isinstance(one, dict) and set(one) == set(two) and all(_same(one[key], two[key]) for key in two)
    return bool(one == two) or not _plain(two)


class _HoldsATensor(SoundHuber):
    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "delta": tf.constant(self.delta)}


class _HoldsAnArray(SoundCrossEntropy):
    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "class_weights": np.ones(3)}


class _HasIntegerKeys(SoundCrossEntropy):
    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "class_weights": {0: 1.0, 1: 2.0}}


MUTANTS = (
    HUBER_LOSS.replace(factory=_HoldsATensor, name="a tensor in the config"),
    CROSS_ENTROPY.replace(factory=_HoldsAnArray, name="an array in the config"),
    CROSS_ENTROPY.replace(factory=_HasIntegerKeys, name="a dict with integer keys in the config"),
)
TWIN = CROSS_ENTROPY
