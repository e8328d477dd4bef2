"""S114 zeros-written: 0, 0.0, False and NaN are values like any other."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness import summaries
from assay.conformance.lazy import tf
from assay.conformance.model import Level, Mode, Rule, SubjectError, Violation
from assay.conformance.specimens import SCALAR_MANAGER, SoundSummaryManager

RULE = Rule(
    id="S114",
    slug="zeros-written",
    level=Level.MUST,
    requirement="0, 0.0, False and NaN are written, and read back as 0, 0, 0 and NaN.",
    checks=(
        "Writes each of them at the top and in a group, as Python, NumPy and tensor values, and reads them back. What "
        "the manager makes of infinity is not looked at."
    ),
    why=(
        "`if value:` is meant to leave out None and leaves out zero as well: the curve of a learning rate stops where "
        "its warm-up begins, an accuracy of 0 looks like a missing evaluation. NaN is what the plot is opened for when "
        "a run has diverged."
    ),
    bad="""
for tag, value in summary_dict.items():
    if value:  # zero is false, and so is False
        tf.summary.scalar(tag, value, step=step)
""",
    good="""
for tag, value in summary_dict.items():
    if value is None:
        raise ValueError(f"The summary {tag!r} is None.")
    tf.summary.scalar(tag, value, step=step)
""",
    modes=(Mode.EAGER,),
    traits=("reader",),
)


def _values() -> dict[str, Any]:
    return {
        "0": 0,
        "0.0": 0.0,
        "False": False,
        "NaN": math.nan,
        "numpy.float32(0)": np.float32(0),
        "numpy.bool_(False)": np.bool_(False),
        "a tensor of 0": tf.constant(0.0),
        "a tensor of NaN": tf.constant(math.nan),
    }


def check(ctx: Context) -> None:
    """Write each value at the top and in a group."""
    values = list(_values().items())
    problems = []
    with summaries.sandbox() as root, summaries.managed(ctx, root / "run") as one:
        for number, (name, value) in enumerate(values):
            try:
                one.write({f"leaf_{number}": value, "group": {f"leaf_{number}": value}}, step=1)
            except SubjectError as error:
                said = " ".join(str(error.original).split())
                problems.append(f"{name} raised {type(error.original).__name__}: {said[:80]}")
        actual = {path: values[-1] for path, values in summaries.by_path(one.finish()).items()}
    for number, (name, _) in enumerate(values):
        if any(problem.startswith(f"{name} raised") for problem in problems):
            continue
        expected = math.nan if "NaN" in name else 0.0
        for path, place in ((f"leaf_{number}", name), (f"group/leaf_{number}", f"{name} in a group")):
            written = actual.get(path)
            if written is None:
                problems.append(f"{place} was not written")
            elif not (written == expected or (math.isnan(written) and math.isnan(expected))):
                problems.append(f"{place} was written as {written:g}")
    if problems:
        raise Violation(
            summaries.listed(problems),
            cause="a value that is false, or not equal to itself, is taken for a missing one",
            fix="Ask `value is None`, and write everything else.",
        )


class _TruthIsPresence(SoundSummaryManager):
    def leaves(self, group: Mapping[str, Any], path: tuple[str, ...]) -> Any:
        return (leaf for leaf in super().leaves(group, path) if leaf[2])


class _NoNan(SoundSummaryManager):
    def leaves(self, group: Mapping[str, Any], path: tuple[str, ...]) -> Any:
        return (leaf for leaf in super().leaves(group, path) if not np.isnan(float(leaf[2])))


class _NoBooleans(SoundSummaryManager):
    def value(self, where: str, key: str, value: Any) -> Any:
        if isinstance(value, bool | np.bool_):
            raise ValueError(f"The summary {where!r} must be a number; received {value!r}.")
        return super().value(where, key, value)


class _NanIsZero(SoundSummaryManager):
    def value(self, where: str, key: str, value: Any) -> Any:
        return float(np.nan_to_num(super().value(where, key, value)))


MUTANTS = (
    SCALAR_MANAGER.replace(factory=_TruthIsPresence, name="zero is taken for nothing"),
    SCALAR_MANAGER.replace(factory=_NoNan, name="leaves NaN out"),
    SCALAR_MANAGER.replace(factory=_NanIsZero, name="NaN becomes 0"),
    SCALAR_MANAGER.replace(factory=_NoBooleans, name="refuses False"),
)
TWIN = SCALAR_MANAGER
