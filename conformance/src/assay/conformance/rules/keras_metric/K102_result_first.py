"""K102 result-first: the result before any update is a number, or documented to be undefined."""

from __future__ import annotations

from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness import metrics
from assay.conformance.lazy import tf
from assay.conformance.model import Level, Mode, Rule, Violation
from assay.conformance.specimens import HIT_RATE, IOU, SoundHitRate, SoundIoU

RULE = Rule(
    id="K102",
    slug="result-first",
    level=Level.MUST,
    requirement="`result()` before any update gives finite numbers, or NaN where the documentation says so.",
    checks=(
        "Reads the result of a new metric. It must not raise, and must be finite; NaN is accepted when the docstring "
        "of the class or of `result` speaks of NaN."
    ),
    why=(
        "Loops read all metrics at the end of an interval, also of one without a single example: an empty validation "
        "shard, a class that nobody has seen. A NaN there poisons the best-checkpoint choice and every average."
    ),
    bad="""
def result(self):
    return self.hits / self.total  # 0 / 0
""",
    good="""
def result(self):
    return tf.math.divide_no_nan(self.hits, self.total)
""",
    modes=(Mode.EAGER,),
)


def check(ctx: Context) -> None:
    """Read a new metric."""
    metric = metrics.fresh(ctx, steady=False)
    found = metrics.result(ctx, metric)
    for name, value in found.items():
        if not np.all(np.isfinite(value)) and not metrics.documents_nan(metric.metric):
            raise Violation(
                f"{name} of a new metric is {metrics.shown(value)}",
                cause="a sum is divided by a count of zero",
                fix="Use `tf.math.divide_no_nan`, or say in the docstring that it is NaN before the first update.",
            )


class _DividesByZero(SoundHitRate):
    def result(self) -> Any:
        return tf.cast(self.read(self.total) / self.read(self.weight), self.dtype)


class _NothingPresent(SoundIoU):
    def average(self, ratios: Any, present: Any) -> Any:
        return tf.reduce_mean(tf.boolean_mask(ratios, present))


class _Raises(SoundHitRate):
    seen = False

    def count(self, y_true: Any, y_pred: Any, weights: Any) -> None:
        self.seen = True
        super().count(y_true, y_pred, weights)

    def result(self) -> Any:
        if not self.seen:
            raise RuntimeError("no data")
        return super().result()


MUTANTS = (
    HIT_RATE.replace(factory=_DividesByZero, name="divides by zero"),
    IOU.replace(factory=_NothingPresent, name="averages no class"),
    HIT_RATE.replace(factory=_Raises, name="raises before data"),
)
TWIN = HIT_RATE
