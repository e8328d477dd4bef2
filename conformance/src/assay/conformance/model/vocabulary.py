"""The words of the suite: level, target, mode, evidence and outcome, each with its meaning."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import TypeVar

from assay.conformance.model.errors import UsageError
from assay.conformance.suggestions import did_you_mean

Word = TypeVar("Word", bound=enum.StrEnum)


class Level(enum.StrEnum):
    """How binding a rule is."""

    MUST = "MUST"
    """A violation fails the run."""
    SHOULD = "SHOULD"
    """Advice; a violation fails the run only when strict."""


class Target(enum.StrEnum):
    """The kind of device that a result speaks about."""

    CPU = "cpu"
    GPU = "gpu"
    TPU = "tpu"


class Mode(enum.StrEnum):
    """How the subject is run on a target."""

    EAGER = "eager"
    """Op by op, as Python runs."""
    GRAPH = "graph"
    """Inside `tf.function`."""
    XLA = "xla"
    """Inside `tf.function(jit_compile=True)`."""
    REPLICAS = "replicas"
    """On two replicas, under `strategy.run` inside `tf.function`."""
    MIXED_PRECISION = "mixed_precision"
    """Inside `tf.function` under a float16 policy, with a loss-scale optimizer."""


class Evidence(enum.StrEnum):
    """What a result rests on."""

    EXECUTED = "executed"
    """Ran on that device."""
    COMPILED = "compiled"
    """The device's own compiler accepted it; the device itself was absent."""
    STATIC = "static"
    """The operations and the kernel registry were analysed; nothing ran."""
    STAND_IN = "stand-in"
    """The CPU stood in for the device, through XLA where the subject computes. Never proof."""
    NONE = "none"
    """Nothing was observed; the message says why."""


class Outcome(enum.StrEnum):
    """What became of one rule in one mode."""

    PASS = "pass"
    FAIL = "fail"
    EXPECTED_FAIL = "expected-fail"
    """Failed as an expectation of the subject's owner says."""
    UNEXPECTED_PASS = "unexpected-pass"
    """Passed although an expectation says that it fails: the expectation is stale."""
    NOT_APPLICABLE = "not-applicable"
    """A trait or a missing capability lifts the rule."""
    NOT_RUN = "not-run"
    """The rule applies, and could not be run here; the reason and the remedy are stated."""
    ERROR = "error"
    """The check itself broke: nothing is known about the subject."""


def members(words: type[Word], names: Iterable[str]) -> tuple[Word, ...]:
    """Return members of one of these vocabularies by name, each once.

    Raises:
      UsageError: If a name is none; the message suggests the nearest.
    """
    known = {word.value: word for word in words}
    for name in names:
        if name not in known:
            raise UsageError(f"There is no {words.__name__.lower()} {name!r}; {did_you_mean(name, known)}.")
    return tuple(dict.fromkeys(known[name] for name in names))
