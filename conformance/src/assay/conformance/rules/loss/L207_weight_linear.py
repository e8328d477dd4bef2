"""L207 weight-linear: the summed loss is linear in the weights."""

from __future__ import annotations

from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness import losses
from assay.conformance.harness.samples import Batch, sample_of
from assay.conformance.lazy import tf
from assay.conformance.model import Level, Mode, Rule, Violation
from assay.conformance.specimens import CROSS_ENTROPY, HUBER_LOSS, SoundCrossEntropy, SoundHuber

RULE = Rule(
    id="L207",
    slug="weight-linear",
    level=Level.MUST,
    requirement="The summed loss is linear in the weights: twice the weights, twice the sum; two weightings add up.",
    checks=(
        "With reduction sum, compares weights w with 0.5 w, 3 w and 100 w, and the loss of w + v with the sum of both "
        "losses. The weights are in the shape of the unreduced values: fractions, and those that Hypothesis draws, "
        "one for each example or for each element."
    ),
    why=(
        "Class weights, curriculum weights and importance weights are products. A loss that clips, casts to integers "
        "or normalises them trains on other proportions than were asked for."
    ),
    bad="""
losses = self.call(y_true, y_pred) * tf.cast(sample_weight, tf.int32)  # 0.5 becomes 0
""",
    good="""
losses = self.call(y_true, y_pred) * tf.cast(sample_weight, tf.float32)
""",
    modes=(Mode.EAGER,),
    references=("scikit-learn/scikit-learn#11316",),
)

FACTORS = (0.5, 3.0, 100.0)


_ONE = losses.Weighting((0.3, 1.7, 0.9, 0.2, 1.1, 0.6, 1.4), elementwise=True)
_TWO = losses.Weighting((1.2, 0.4, 0.1, 1.8, 0.7), elementwise=True)


def check(ctx: Context) -> None:
    """Scale the weights, and add two weightings."""
    losses.require_weights(ctx)
    losses.require_weights(ctx, losses.SUM)
    sample = sample_of(ctx)

    def cases() -> Any:
        from hypothesis import strategies

        return strategies.tuples(
            losses.grown(), losses.weightings(), losses.weightings(), strategies.sampled_from(FACTORS)
        )

    def examine(case: tuple[tuple[int, int], losses.Weighting, losses.Weighting, float]) -> None:
        (size, seed), one, two, factor = case
        _compare(ctx, sample.grow(size, seed=seed), one, two, factor)

    losses.explore(ctx, [((5, 0), _ONE, _TWO, factor) for factor in FACTORS], cases, examine)


def _compare(ctx: Context, batch: Batch, one: losses.Weighting, two: losses.Weighting, factor: float) -> None:
    loss, allowed = losses.component(ctx, losses.SUM), ctx.tolerance("loss")
    shape = losses.unreduced(ctx, batch).shape
    weights, others = one.array(shape), two.array(shape)

    def total(weights: np.ndarray) -> float:
        return float(losses.value(ctx, loss, batch, weights))

    base = total(weights)
    found = total(weights * np.float32(factor))
    if not allowed.allows(found / factor, base):
        raise _violation(
            f"for {losses.counted(batch.size)} {one} give {base:.6g}, and {factor:g} times these give {found:.6g}",
            factor * base,
        )
    other, both = total(others), total(weights + others)
    if not allowed.allows(both, base + other):
        raise _violation(
            f"for {losses.counted(batch.size)} {one} give {base:.6g}, {two} give {other:.6g}, and both added give "
            f"{both:.6g}",
            base + other,
        )


def _violation(what: str, expected: float) -> Violation:
    return Violation(
        f"{what}; it should be {expected:.6g}",
        cause="the weights are clipped, rounded, cast to integers, or normalised within the batch",
        fix="Use the weights as they come: multiply the values by them in float32, and add up.",
    )


class _CastsToIntegers(SoundCrossEntropy):
    def weigh(self, losses: Any, weights: Any) -> Any:
        return losses if weights is None else losses * tf.cast(tf.cast(weights, tf.int32), tf.float32)


class _Clips(SoundHuber):
    def weigh(self, losses: Any, weights: Any) -> Any:
        return losses if weights is None else losses * tf.minimum(weights, 1.0)


class _Normalises(SoundHuber):
    def weigh(self, losses: Any, weights: Any) -> Any:
        return losses if weights is None else losses * weights / tf.reduce_mean(weights)


MUTANTS = (
    CROSS_ENTROPY.replace(factory=_CastsToIntegers, name="casts weights to integers"),
    HUBER_LOSS.replace(factory=_Clips, name="clips weights"),
    HUBER_LOSS.replace(factory=_Normalises, name="normalises weights"),
)
TWIN = HUBER_LOSS
