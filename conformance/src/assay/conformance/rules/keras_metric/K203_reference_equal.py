"""K203 reference-equal: the metric agrees with its reference in NumPy."""

from __future__ import annotations

from typing import Any

from assay.conformance.context import Context
from assay.conformance.harness import metrics
from assay.conformance.harness.samples import sample_of
from assay.conformance.lazy import tf
from assay.conformance.model import Level, Mode, NotApplicable, Rule, Target, Violation
from assay.conformance.specimens import HIT_RATE, SoundHitRate

RULE = Rule(
    id="K203",
    slug="reference-equal",
    level=Level.MUST,
    requirement="The result is that of the declared reference on the same examples.",
    checks=(
        "Calls the trait `reference` as `reference(y_true, y_pred)` with NumPy arrays of all examples, grown from the "
        "sample, and compares with the result after updates in two unequal batches. The reference returns a number, an "
        "array, or a dict for a dict."
    ),
    why=(
        "Published numbers are compared with those of other code. An off-by-one in a rank, a tie or a class average "
        "survives every test that compares the metric with itself."
    ),
    bad="""
hits = tf.reduce_sum(tf.cast(rank <= k, tf.float32))  # k + 1 ranks
""",
    good="""
hits = tf.reduce_sum(tf.cast(rank < k, tf.float32))
""",
    modes=(Mode.EAGER,),
    targets=(Target.CPU, Target.GPU, Target.TPU),
    traits=("reference",),
    references=("torchmetrics: the argument reference_metric of its tests",),
)

SEEDS = (0, 1, 2)


def check(ctx: Context) -> None:
    """Compare with the reference."""
    reference = ctx.trait("reference")
    if reference is None:
        raise NotApplicable("The subject declares no trait 'reference'.")
    sample = sample_of(ctx)
    for seed in SEEDS:
        batch = sample.grow(7, seed=seed)
        found = metrics.evaluate(ctx, [batch.take(range(5)), batch.take(range(5, 7))])
        differs = metrics.difference(ctx, found, metrics.numbers(reference(batch.y_true, batch.y_pred)))
        if differs:
            raise Violation(
                f"on seven examples {differs}, as the reference says",
                cause="the formula of the metric is another one, or the two treat ties or averages differently",
                fix="Compare the two on the smallest batch that differs, and mend the one that is wrong.",
            )


class _CountsTheSecond(SoundHitRate):
    def values(self, y_true: Any, y_pred: Any) -> Any:
        best = tf.math.top_k(y_pred, 2).indices
        return tf.cast(tf.reduce_any(tf.equal(best, tf.cast(y_true, tf.int32)[:, tf.newaxis]), axis=-1), tf.float32)


class _DividesByOneMore(SoundHitRate):
    def read(self, variable: Any) -> Any:
        return tf.convert_to_tensor(variable) + (1.0 if variable is self.weight else 0.0)


MUTANTS = (
    HIT_RATE.replace(factory=_CountsTheSecond, name="counts the second best too"),
    HIT_RATE.replace(factory=_DividesByOneMore, name="divides by one more"),
)
TWIN = HIT_RATE
