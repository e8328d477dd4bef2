"""L207 weight-linear: the summed loss is linear in the weights."""

from __future__ import annotations

from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness import losses
from assay.conformance.harness.samples import sample_of
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
        "losses. The weights are fractional and in the shape of the unreduced values."
    ),
    why=(
        "Class weights, curriculum weights and importance weights are products. A loss that clips, casts to integers "
        "or "
        "normalises them trains on other proportions than were asked for."
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


def check(ctx: Context) -> None:
    """Scale the weights, and add two weightings."""
    losses.require_weights(ctx)
    loss = losses.require_weights(ctx, losses.SUM)
    batch = sample_of(ctx).grow(5)
    shape = losses.unreduced(ctx, batch).shape
    random = np.random.default_rng(ctx.seed)
    one, two = (random.uniform(0.1, 1.9, size=shape).astype(np.float32) for _ in range(2))
    base, other = (float(losses.value(ctx, loss, batch, weights)) for weights in (one, two))
    allowed = ctx.tolerance("loss")
    for factor in FACTORS:
        found = float(losses.value(ctx, loss, batch, one * np.float32(factor)))
        if not allowed.allows(found, factor * base):
            raise _violation(f"{factor:g} times the weights give {found:.6g}", base, factor * base)
    both = float(losses.value(ctx, loss, batch, one + two))
    if not allowed.allows(both, base + other):
        raise _violation(f"two weightings added give {both:.6g}", base, base + other)


def _violation(what: str, base: float, expected: float) -> Violation:
    return Violation(
        f"{what}; the weights themselves give {base:.6g}, so it should be {expected:.6g}",
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
