"""S103 bad-leaf-named: a value that is no scalar, None, or a key that is no text is refused by its path."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness import summaries
from assay.conformance.harness.refusals import names
from assay.conformance.lazy import tf
from assay.conformance.model import Level, Mode, Rule, SubjectError, Violation
from assay.conformance.specimens import SCALAR_MANAGER, SoundSummaryManager

RULE = Rule(
    id="S103",
    slug="bad-leaf-named",
    level=Level.MUST,
    requirement="A value that is not a scalar, None, and a key that is not a text are refused by their path.",
    checks=(
        "Writes dicts with one bad leaf in a group among good ones: a vector (NumPy, tensor, list), None, and an "
        "integer as key. The exception, or a warning when the leaf alone is left out, must name the group and the key."
    ),
    why=(
        "The dict that reaches the manager is put together from metrics, logs and callbacks of several people. "
        "`Attempt to convert a value (None) with an unsupported type` comes from one of a hundred entries, and the "
        "traceback shows the loop. A vector that is dropped silently is found out when the plot is missed."
    ),
    bad="""
for name, value in summary_dict.items():
    tf.summary.scalar(name, value, step=step)  # ValueError: ... a value (None) with an unsupported type
""",
    good="""
if value is None or np.ndim(value) != 0:
    raise ValueError(f"The summary {path!r} must be one number; received {value!r}.")
""",
    modes=(Mode.EAGER,),
)

GROUP, BAD = "assay_group", "assay_leaf"


def check(ctx: Context) -> None:
    """Write each bad leaf among good ones."""
    cases: list[tuple[str, Any, Any]] = [
        ("a vector", BAD, np.array([0.25, 0.5], np.float32)),
        ("a vector as a tensor", BAD, tf.constant([0.25, 0.5])),
        ("a list", BAD, [0.25, 0.5]),
        ("None", BAD, None),
        ("the key 3", 3, 0.25),
    ]
    with summaries.sandbox() as root:
        for number, (what, key, value) in enumerate(cases):
            with summaries.managed(ctx, root / f"run{number}") as one:
                _check(one, what, key, value)


def _check(one: summaries.Managed, what: str, key: Any, value: Any) -> None:
    values: dict[str, Any] = {"before": 1.0, GROUP: {"first": 2.0, key: value, "last": 3.0}}
    words = (GROUP, str(key))
    place = f"{what} at {GROUP}/{key}"
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            one.write(values, step=1, heard=True)
            actual = summaries.by_path(one.finish())
    except SubjectError as error:
        if names(error.original, *words):
            return
        said = " ".join(str(error.original).split())
        raise Violation(
            f"for {place} the manager raised {type(error.original).__name__}: {said[:160]}, which names no path",
            cause="the value is handed to TensorFlow, or to a conversion, as it came",
            fix="Check keys and values before writing, and name the path of the one that is refused.",
        ) from error
    there = [path for path in actual if path == f"{GROUP}/{key}"]
    if not there and any(names(str(warning.message), *words) for warning in caught) and len(actual) == len(values) + 1:
        return  # left out by name, and the rest is there
    raise Violation(
        f"{place} was taken without a word, and "
        + (f"{there[0]} was written" if there else "nothing was written for it")
        + f"; {len(set(actual) - set(there))} of {len(values) + 1} good values are there",
        cause="what cannot be written is passed over or forced into shape",
        fix="Raise a ValueError that names the path of the leaf, before anything is written.",
    )


class _PassesOver(SoundSummaryManager):
    def leaves(self, group: Mapping[str, Any], path: tuple[str, ...]) -> Any:
        for leaf in super().leaves({str(key): value for key, value in group.items()}, path):
            if leaf[2] is not None and np.ndim(leaf[2]) == 0:
                yield leaf


class _HandsOver(SoundSummaryManager):
    def value(self, where: str, key: str, value: Any) -> Any:
        return value


class _TakesTheMean(SoundSummaryManager):
    def value(self, where: str, key: str, value: Any) -> Any:
        return super().value(where, key, value if value is None else np.mean(value))


class _NamesTheKeyOnly(SoundSummaryManager):
    def value(self, where: str, key: str, value: Any) -> Any:
        return super().value(key, key, value)


class _KeysAsText(SoundSummaryManager):
    def leaves(self, group: Mapping[str, Any], path: tuple[str, ...]) -> Any:
        return super().leaves({str(key): value for key, value in group.items()}, path)


MUTANTS = (
    SCALAR_MANAGER.replace(factory=_HandsOver, name="hands values over as they come"),
    SCALAR_MANAGER.replace(factory=_PassesOver, name="passes over what it cannot write"),
    SCALAR_MANAGER.replace(factory=_TakesTheMean, name="takes the mean of a vector"),
    SCALAR_MANAGER.replace(factory=_NamesTheKeyOnly, name="names the key without its group"),
    SCALAR_MANAGER.replace(factory=_KeysAsText, name="turns keys into text"),
)
TWIN = SCALAR_MANAGER
