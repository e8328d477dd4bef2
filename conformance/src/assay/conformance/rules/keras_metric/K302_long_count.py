"""K302 long-count: counts go on past 2^24."""

from __future__ import annotations

from typing import Any

from assay.conformance.context import Context
from assay.conformance.harness import metrics
from assay.conformance.lazy import tf
from assay.conformance.model import Level, Mode, NotApplicable, Rule, Target, Violation
from assay.conformance.specimens import HIT_RATE, IOU, SoundHitRate, SoundIoU

RULE = Rule(
    id="K302",
    slug="long-count",
    level=Level.SHOULD,
    requirement="Counts go on past 2^24: one example more is one more, however many there were.",
    checks=(
        "Updates a metric with one example, twice, and sees which numbers of its state grow by the same amount each "
        "time; puts them where 33,554,432 such examples would take them, and updates once more. A number that grew by "
        "a whole amount, a count, must grow by it again, or the missing part must turn up in another variable, as in "
        "a compensated sum or a split counter."
    ),
    why=(
        "A float32 count stops at 16,777,216 when ones are added to it: a few dozen label maps have as many pixels. "
        "From then on totals stand still, or grow while the count beside them does not, and the result drifts with "
        "nothing to show for it."
    ),
    bad="""
self.count = self.add_weight(name="count", dtype="float32")
""",
    good="""
self.count = self.add_weight(name="count", dtype="int64")  # or float64, exact up to 2^53
""",
    modes=(Mode.EAGER,),
    targets=(Target.CPU, Target.GPU),
    references=("IEEE 754: a float32 has 24 bits of significand, a float64 has 53",),
)

EXAMPLES = 2**25
"""How many examples have been counted: a float32 of this size has steps of four."""


def check(ctx: Context) -> None:
    """Add one example to many."""
    if not metrics.counts_examples(ctx):
        raise NotApplicable("No number in the variables of the metric grows by a whole amount with each example.")
    stall = metrics.stalled(ctx, EXAMPLES)
    if stall is not None:
        raise Violation(
            f"after {EXAMPLES:,} examples {stall}",
            cause=f"the count is a {stall.dtype}, or passes through a dtype with no more than 24 bits",
            fix="Count in int64 or float64, or carry what is rounded off in a second variable.",
        )


class _CountsInFloat32(SoundHitRate):
    def count_dtype(self) -> Any:
        return tf.float32


class _MatrixOfFloat32(SoundIoU):
    def count_dtype(self) -> Any:
        return tf.float32


class _ThroughFloat32(SoundHitRate):
    """Keeps float64, and adds in float32."""

    def accumulate(self, values: Any, weights: Any) -> None:
        for variable, terms in ((self.total, values), (self.weight, weights)):
            added = tf.cast(variable, tf.float32) + tf.reduce_sum(tf.cast(terms, tf.float32))
            variable.assign(tf.cast(added, variable.dtype))


MUTANTS = (
    HIT_RATE.replace(factory=_CountsInFloat32, name="counts in float32"),
    IOU.replace(factory=_MatrixOfFloat32, name="a confusion matrix of float32"),
    HIT_RATE.replace(factory=_ThroughFloat32, name="adds in float32 to float64"),
)
TWIN = HIT_RATE
