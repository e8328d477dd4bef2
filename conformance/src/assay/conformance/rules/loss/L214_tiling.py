"""L214 tiling: repeating the whole batch leaves the mean as it is."""

from __future__ import annotations

from typing import Any

from assay.conformance.context import Context
from assay.conformance.harness import losses
from assay.conformance.harness.samples import Batch, sample_of
from assay.conformance.lazy import tf
from assay.conformance.model import Level, Mode, NotApplicable, Rule, Violation
from assay.conformance.specimens import CROSS_ENTROPY, HUBER_LOSS, SoundCrossEntropy, SoundHuber

RULE = Rule(
    id="L214",
    slug="tiling",
    level=Level.SHOULD,
    requirement="The mean loss of a batch repeated 2 or 5 times is that of the batch, down to a single example.",
    checks=(
        "Repeats a batch of three examples, and a batch of one, 2 and 5 times, and others as Hypothesis draws them, "
        "and compares the mean. A loss that adds up has no mean to compare."
    ),
    why=(
        "The mean is what makes a learning rate independent of the batch size. A divisor with `+ 1`, `- 1` or an "
        "epsilon that is not small bends it, most of all for small batches."
    ),
    bad="""
return tf.reduce_sum(losses) / (count + 1.0)
""",
    good="""
return tf.math.divide_no_nan(tf.reduce_sum(losses), count)
""",
    modes=(Mode.EAGER,),
    traits=("mixes_examples",),
)

SIZES = (3, 1)
TIMES = (2, 5)


def check(ctx: Context) -> None:
    """Compare repeated batches."""
    losses.require_independent_examples(ctx)
    sample = sample_of(ctx)
    loss = losses.component(ctx, losses.MEAN if losses.has_reduction(ctx, losses.MEAN) else losses.DEFAULT)

    def cases() -> Any:
        from hypothesis import strategies

        return strategies.tuples(losses.grown(1, 4), strategies.integers(2, 6))

    def examine(case: tuple[tuple[int, int], int]) -> None:
        (size, seed), times = case
        _compare(ctx, loss, sample.grow(size, seed=seed), times)

    losses.explore(ctx, [((size, 0), times) for size in SIZES for times in TIMES], cases, examine)


def _compare(ctx: Context, loss: losses.LossComponent, batch: Batch, times: int) -> None:
    allowed = ctx.tolerance("loss")
    expected = losses.value(ctx, loss, batch)
    if expected.ndim:
        raise NotApplicable("The loss has no reduced form.")
    found = losses.value(ctx, loss, batch.take(list(range(batch.size)) * times))
    if allowed.allows(found, expected):
        return
    if allowed.allows(found, times * expected) and not losses.switched(ctx):
        raise NotApplicable("The loss adds up its examples, and has no mean.")
    raise Violation(
        f"the mean of {losses.counted(batch.size)} is {float(expected):.6g}, and of the same repeated {times} times "
        f"{float(found):.6g}",
        cause="the divisor is not in proportion to the number of examples: `+ 1`, `- 1`, an epsilon",
        fix="Divide by the count itself, with `tf.math.divide_no_nan` where it may be 0.",
    )


class _PlusOne(SoundCrossEntropy):
    def divisor(self, losses: Any) -> Any:
        return tf.cast(tf.size(losses), tf.float32) + 1.0


class _RootOfTheCount(SoundHuber):
    def divisor(self, losses: Any) -> Any:
        return tf.sqrt(tf.cast(tf.size(losses), tf.float32))


MUTANTS = (
    CROSS_ENTROPY.replace(factory=_PlusOne, name="divides by one more"),
    HUBER_LOSS.replace(factory=_RootOfTheCount, name="divides by the root of the count"),
)
TWIN = CROSS_ENTROPY
