"""L102 reduction-consistent: the sum and the mean are those of the unreduced values."""

from __future__ import annotations

from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness import losses
from assay.conformance.harness.samples import Batch, sample_of
from assay.conformance.lazy import tf
from assay.conformance.model import Level, Mode, NotApplicable, Rule, Target, Violation
from assay.conformance.specimens import CROSS_ENTROPY, HUBER_LOSS, SoundCrossEntropy, SoundHuber

RULE = Rule(
    id="L102",
    slug="reduction-consistent",
    level=Level.MUST,
    requirement="The reductions sum and mean give the sum and the mean of the unreduced values, weighted or not.",
    checks=(
        "Computes batches with reduction none, sum and mean, without weights and with weights of 0, 1 and fractions "
        "for each example and for each element, of sizes and weights that Hypothesis draws. Unreduced weighted values "
        "are the values times their weights; the sum adds them up; the mean divides the sum by the number of "
        "elements, by the sum of the weights, or by the number of elements whose label is not ignored: any of them, "
        "or the one that the trait `normaliser` declares."
    ),
    why=(
        "Training on several replicas computes its own mean from `none` or `sum`; a notebook uses the default. When "
        "they disagree by a factor, the learning rate that worked in one does not work in the other, and nothing says "
        "so."
    ),
    bad="""
def __call__(self, y_true, y_pred, sample_weight=None):
    losses = self.call(y_true, y_pred) / tf.cast(tf.shape(y_pred)[0], tf.float32)  # and again in the mean
    return self.reduce(losses)
""",
    good="""
def __call__(self, y_true, y_pred, sample_weight=None):
    return self.reduce(self.call(y_true, y_pred))
""",
    modes=(Mode.EAGER,),
    targets=(Target.CPU, Target.GPU),
    traits=("normaliser", "ignore_label"),
    references=("google-deepmind/optax: tests of losses",),
)


_WEIGHTS = losses.Weighting((0.5, 1.75, 0.25, 1.0, 2.0, 0.75, 1.25), elementwise=True)


def check(ctx: Context) -> None:
    """Recompute sum and mean from the unreduced values, without weights and with."""
    if not losses.switched(ctx):
        raise NotApplicable("The loss has one form: there is no reduction to switch.")
    sample = sample_of(ctx)
    usual = losses.value(ctx, losses.component(ctx, losses.NONE), sample.grow(5))
    weighed = usual.ndim > 0 and usual.shape[0] == 5 and losses.component(ctx).takes_weights

    def cases() -> Any:
        from hypothesis import strategies

        weights = strategies.one_of(strategies.none(), losses.weightings()) if weighed else strategies.none()
        return strategies.tuples(losses.grown(), weights)

    plain: list[Any] = [((5, 0), None)] + ([((5, 0), _WEIGHTS)] if weighed else [])
    losses.explore(ctx, plain, cases, lambda case: _examine(ctx, sample.grow(case[0][0], seed=case[0][1]), case[1]))


def _examine(ctx: Context, batch: Batch, weighting: losses.Weighting | None) -> None:
    values = losses.value(ctx, losses.component(ctx, losses.NONE), batch)
    if weighting is None:
        _compare(ctx, batch, values, None, "")
        return
    weights = weighting.array(values.shape)
    weighted = losses.value(ctx, losses.component(ctx, losses.NONE), batch, weights)
    if weighted.shape != values.shape or not ctx.tolerance("loss").allows(weighted, values * weights):
        raise Violation(
            f"with reduction none and {weighting} the values are {_some(weighted)}; the values without weights are "
            f"{_some(values)}, and their products {_some(values * weights)}",
            cause="weights are normalised, or not applied, before the reduction",
            fix="Return the values times their weights when the reduction is none.",
        )
    _compare(ctx, batch, weighted, weights, f" (with {weighting})")


def _compare(ctx: Context, batch: Batch, values: np.ndarray, weights: np.ndarray | None, note: str) -> None:
    allowed = ctx.tolerance("loss")
    total, size = float(values.sum()), values.size
    summed = losses.value(ctx, losses.component(ctx, losses.SUM), batch, weights)
    if summed.ndim or not allowed.allows(summed, total):
        raise Violation(
            f"the sum is {_some(summed)}, and the unreduced values {_some(values)} add up to {total:.6g}{note}",
            cause=_cause(summed, total, batch.size, size),
            fix="Let the sum be `tf.reduce_sum` of the unreduced values, and nothing else.",
        )
    mean = losses.value(ctx, losses.component(ctx, losses.MEAN), batch, weights)
    expected = {name: total / divisor for name, divisor in _divisors(ctx, batch, size, weights).items() if divisor}
    if mean.ndim == 0 and (not expected or any(allowed.allows(mean, value) for value in expected.values())):
        return
    said = ", ".join(f"{value:.6g} (divided by {name})" for name, value in expected.items())
    raise Violation(
        f"the mean is {_some(mean)}; the unreduced values of {losses.counted(batch.size)}, {_some(values)}, add up to "
        f"{total:.6g}, which gives {said}{note}",
        cause=_cause(mean, total / size, batch.size, size),
        fix="Divide the sum once, by the number of elements; a loss with a divisor of its own declares `normaliser`.",
    )


def _divisors(ctx: Context, batch: Batch, size: int, weights: np.ndarray | None) -> dict[str, float]:
    """What the mean may divide by, by name; nothing when the divisor cannot be known."""
    declared, label = ctx.subject.traits.get("normaliser"), ctx.trait("ignore_label")
    valid = float(size)
    if label is not None and batch.truth[0].size == size:
        valid = float(np.sum(batch.truth[0] != label))
    known = {
        "the number of elements": ("elements", float(size)),
        "the sum of the weights": ("weights", float(size if weights is None else weights.sum())),
        "the number of valid elements": ("valid", valid),
    }
    if declared == "valid" and label is None:
        return {}
    return {name: divisor for name, (kind, divisor) in known.items() if declared in (None, kind)}


def _cause(found: np.ndarray, expected: float, examples: int, elements: int) -> str:
    if found.ndim:
        return "the reduction is not applied"
    ratio = float(found) / expected if expected else 0.0
    for factor, what in ((examples, "the number of examples"), (elements, "the number of elements")):
        for name, value in ((f"multiplied by {what}", factor), (f"divided by {what}", 1 / factor)):
            if factor > 1 and abs(ratio - value) < 1e-3 * value:
                return f"the result is {name} once too often (a factor of {ratio:.4g})"
    return f"something beside the values enters the reduction (a factor of {ratio:.4g})"


def _some(values: np.ndarray) -> str:
    flat = ", ".join(f"{value:.5g}" for value in np.ravel(values)[:4])
    return flat if values.size == 1 else f"[{flat}{', ...' if values.size > 4 else ''}]"


class _DividesTwice(SoundHuber):
    def call(self, y_true: Any, y_pred: Any) -> Any:
        losses = super().call(y_true, y_pred)
        return losses if self.reduction == "none" else losses / tf.cast(tf.size(losses), tf.float32)


class _MeanIsASum(SoundCrossEntropy):
    def divisor(self, losses: Any) -> Any:
        return tf.constant(1.0)


class _NormalisesWeights(SoundCrossEntropy):
    def weigh(self, losses: Any, weights: Any) -> Any:
        return losses if weights is None else losses * weights / tf.reduce_mean(weights)


MUTANTS = (
    HUBER_LOSS.replace(factory=_DividesTwice, name="divides by the batch twice"),
    CROSS_ENTROPY.replace(factory=_MeanIsASum, name="mean is a sum"),
    CROSS_ENTROPY.replace(factory=_NormalisesWeights, name="normalises the weights first"),
)
TWIN = HUBER_LOSS
