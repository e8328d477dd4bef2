"""S109 leaf-types: Python numbers, NumPy scalars and scalar tensors are written with equal values."""

from __future__ import annotations

from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness import summaries
from assay.conformance.lazy import tf
from assay.conformance.model import Level, Mode, Rule, SubjectError, Violation
from assay.conformance.specimens import SCALAR_MANAGER, SoundSummaryManager

RULE = Rule(
    id="S109",
    slug="leaf-types",
    level=Level.MUST,
    requirement="Python floats and ints, NumPy scalars and scalar tensors of any float or int type are written, equal.",
    checks=(
        "Writes one value of each type, alone: float, int, NumPy float16, float32, float64, int32, int64, uint8 and an "
        "array without dimensions, tensors of float16, bfloat16, float32, float64, int32 and int64; and reads it back. "
        "The values are ones that each type holds exactly."
    ),
    why=(
        "What reaches a manager depends on who computed it: the loop gives tensors, metrics NumPy scalars, timers "
        "Python floats, counters ints, and a loss under mixed precision is float16 or bfloat16. A manager that takes "
        "floats only fails on the first int, or worse, skips it."
    ),
    bad="""
if isinstance(value, float):  # no np.float32, no int, no tensor
    self.file.write(f"{tag},{value}")
""",
    good="""
value = float(value.numpy() if hasattr(value, "numpy") else value)
""",
    modes=(Mode.EAGER,),
    traits=("reader",),
)


def _typed_values() -> dict[str, Any]:
    """One value of each type; every type holds its value exactly."""
    return {
        "float": 0.375,
        "int": 3,
        "numpy.float16": np.float16(0.25),
        "numpy.float32": np.float32(1.5),
        "numpy.float64": np.float64(2.5),
        "numpy.int32": np.int32(-4),
        "numpy.int64": np.int64(5),
        "numpy.uint8": np.uint8(200),
        "an array of shape ()": np.array(0.625, np.float32),
        "a float32 tensor": tf.constant(0.75),
        "a float64 tensor": tf.constant(1.25, tf.float64),
        "a float16 tensor": tf.constant(0.5, tf.float16),
        "a bfloat16 tensor": tf.constant(6.0, tf.bfloat16),
        "an int32 tensor": tf.constant(7),
        "an int64 tensor": tf.constant(-8, tf.int64),
    }


def check(ctx: Context) -> None:
    """Write one value of each type, and read it back."""
    problems = []
    with summaries.sandbox() as root, summaries.managed(ctx, root / "run") as one:
        types = list(_typed_values().items())
        for number, (_, value) in enumerate(types):
            try:
                one.write({f"leaf_{number}": value}, step=1)
            except SubjectError as error:
                said = " ".join(str(error.original).split())
                problems.append(f"{types[number][0]} raised {type(error.original).__name__}: {said[:80]}")
        actual = {path: values[-1] for path, values in summaries.by_path(one.finish()).items()}
    for number, (name, value) in enumerate(types):
        written = actual.get(f"leaf_{number}")
        expected = float(value)
        if written is None and not any(problem.startswith(f"{name} raised") for problem in problems):
            problems.append(f"{name} was not written")
        elif written is not None and written != expected:
            problems.append(f"{name} {expected:g} was written as {written:g}")
    if problems:
        raise Violation(
            summaries.listed(problems),
            cause="the type of a value is compared with one that was expected, or it is converted by a narrow one",
            fix="Turn every scalar into a float in one place, whatever it is: a tensor by `float(value.numpy())`.",
        )


class _FloatsOnly(SoundSummaryManager):
    def leaves(self, group: Any, path: Any) -> Any:
        return (leaf for leaf in super().leaves(group, path) if isinstance(leaf[2], float) or not np.isscalar(leaf[2]))


class _NoTensors(SoundSummaryManager):
    def value(self, where: str, key: str, value: Any) -> Any:
        if not isinstance(value, int | float | np.number | np.ndarray):
            raise ValueError(f"The summary {where!r} must be a number; received {type(value).__name__}.")
        return super().value(where, key, value)


class _EverythingIsAnInt(SoundSummaryManager):
    def emit(self, group: tuple[str, ...], tag: str, value: Any, step: int) -> None:
        super().emit(group, tag, float(int(value)), step)


class _UnsignedBytes(SoundSummaryManager):
    """Keeps small integers in eight signed bits."""

    def value(self, where: str, key: str, value: Any) -> Any:
        if isinstance(value, np.integer):
            value = np.asarray(value).astype(np.int8)
        return super().value(where, key, value)


MUTANTS = (
    SCALAR_MANAGER.replace(factory=_FloatsOnly, name="floats only"),
    SCALAR_MANAGER.replace(factory=_NoTensors, name="no tensors"),
    SCALAR_MANAGER.replace(factory=_EverythingIsAnInt, name="cuts off fractions"),
    SCALAR_MANAGER.replace(factory=_UnsignedBytes, name="narrows integers"),
)
TWIN = SCALAR_MANAGER
