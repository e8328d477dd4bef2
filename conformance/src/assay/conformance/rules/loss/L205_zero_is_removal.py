"""L205 zero-is-removal: an example with weight zero counts as if it were not there, for the declared normaliser."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness import losses
from assay.conformance.harness.samples import Batch, sample_of
from assay.conformance.lazy import tf
from assay.conformance.model import Level, Mode, NotApplicable, Rule, Target, Violation
from assay.conformance.specimens import CROSS_ENTROPY, HUBER_LOSS, SoundCrossEntropy, SoundHuber

RULE = Rule(
    id="L205",
    slug="zero-is-removal",
    level=Level.MUST,
    requirement="Examples of weight zero add nothing: the loss is that of the others, up to the divisor of the mean.",
    checks=(
        "Gives some examples weight zero and the others fractional weights (two of five, and batches and weights that "
        "Hypothesis draws), and compares with a batch of those others. The sum must be equal. The mean must be that "
        "sum divided by the number of all elements (as in Keras), by the sum of the weights, or by the number of "
        "elements that count: any of them, or the one that the trait `normaliser` declares."
    ),
    why=(
        "Weight zero is how padding, unlabelled examples and ignored anchors are kept out. When they leak in, through "
        "a class balance, a maximum or a softmax over the batch, results depend on how much padding a batch has."
    ),
    bad="""
def __call__(self, y_true, y_pred, sample_weight):
    losses = self.call(y_true, y_pred)
    return tf.reduce_sum((losses - tf.reduce_mean(losses)) * sample_weight)  # padding is in the mean
""",
    good="""
def __call__(self, y_true, y_pred, sample_weight):
    return tf.reduce_sum(self.call(y_true, y_pred) * sample_weight)
""",
    modes=(Mode.EAGER,),
    targets=(Target.CPU, Target.GPU, Target.TPU),
    traits=("normaliser", "mixes_examples", "ignore_label"),
    references=("scikit-learn/scikit-learn#29818",),
)

_WEIGHTS = (0.5, 0.0, 2.0, 0.0, 1.25)


def check(ctx: Context) -> None:
    """Compare weight zero with removal."""
    losses.require_weights(ctx)
    losses.require_independent_examples(ctx)
    losses.explore(ctx, [_WEIGHTS], losses.some_zero, lambda numbers: _examine(ctx, numbers))


def _examine(ctx: Context, numbers: Sequence[float]) -> None:
    batch = sample_of(ctx).grow(len(numbers))
    rows = [row for row, number in enumerate(numbers) if number]
    kept = batch.take(rows)
    weights = losses.row_weights(ctx, batch, numbers)
    rest = losses.row_weights(ctx, kept, [numbers[row] for row in rows])
    compared = False
    if losses.has_reduction(ctx, losses.SUM):
        loss = losses.component(ctx, losses.SUM)
        found, expected = losses.value(ctx, loss, batch, weights), losses.value(ctx, loss, kept, rest)
        if not ctx.tolerance("loss").allows(found, expected):
            raise _violation(numbers, "sum", found, f"{float(expected):.6g}")
        compared = True
        _check_mean(ctx, numbers, batch, weights, float(expected))
    if not losses.switched(ctx):
        compared = _check_plain(ctx, numbers, batch, weights, kept, rest) or compared
    if not compared:
        raise NotApplicable("The loss has no reduced form to compare.")


def _check_mean(ctx: Context, numbers: Sequence[float], batch: Batch, weights: np.ndarray, total: float) -> None:
    found = losses.value(ctx, losses.component(ctx, losses.MEAN), batch, weights)
    expected = {name: total / divisor for name, divisor in _divisors(ctx, batch, weights).items() if divisor}
    if expected and not any(ctx.tolerance("loss").allows(found, value) for value in expected.values()):
        said = ", ".join(f"{value:.6g} (divided by {name})" for name, value in expected.items())
        raise _violation(numbers, "mean", found, said)


def _divisors(ctx: Context, batch: Batch, weights: np.ndarray) -> dict[str, float]:
    declared, label = ctx.subject.traits.get("normaliser"), ctx.trait("ignore_label")
    counts = np.ones(weights.shape, bool)
    if label is not None and batch.truth[0].size == weights.size:
        counts = batch.truth[0].reshape(weights.shape) != label
    known = {
        "the number of all elements": ("elements", float(weights.size)),
        "the sum of the weights": ("weights", float(np.sum(weights * counts))),
        "the number of elements that count": ("valid", float(np.sum(counts))),
        "the number of elements with a weight": ("valid", float(np.sum(counts & (weights > 0)))),
    }
    return {name: divisor for name, (kind, divisor) in known.items() if declared in (None, kind)}


def _check_plain(ctx: Context, numbers: Sequence[float], batch: Batch, weights: Any, kept: Batch, rest: Any) -> bool:
    """A function with one form: its value is a sum, or a mean that divides by one of the known counts."""
    loss = losses.component(ctx)
    found, less = losses.value(ctx, loss, batch, weights), losses.value(ctx, loss, kept, rest)
    if found.ndim:
        return False
    # A mean over the weights does not see what is removed; one over all elements sees it in its divisor; a sum neither.
    factors = (1.0,) if ctx.subject.traits.get("normaliser") == "weights" else (1.0, kept.size / batch.size)
    if not any(ctx.tolerance("loss").allows(found, factor * less) for factor in factors):
        raise _violation(numbers, "loss", found, " or ".join(f"{factor * float(less):.6g}" for factor in factors))
    return True


def _violation(numbers: Sequence[float], what: str, found: Any, expected: str) -> Violation:
    return Violation(
        f"with {losses.Weighting(tuple(numbers))} the {what} is {np.ravel(found)[:3].tolist()}; without the examples "
        f"of weight 0 it should be {expected}",
        cause="examples of weight zero enter through a statistic of the batch, or weights below a floor are raised",
        fix="Apply the weights to the values of single examples, and compute statistics from weighted values only.",
    )


class _CentresOnTheBatch(SoundCrossEntropy):
    def weigh(self, losses: Any, weights: Any) -> Any:
        return losses if weights is None else (losses + 0.1 * tf.reduce_mean(losses)) * weights


class _RaisesSmallWeights(SoundHuber):
    def weigh(self, losses: Any, weights: Any) -> Any:
        return losses if weights is None else losses * tf.maximum(weights, 1e-2)

    def mask_inputs(self, y_true: Any, y_pred: Any, weights: Any) -> tuple[Any, Any]:
        return y_true, y_pred


class _AnotherDivisor(SoundHuber):
    def divisor(self, losses: Any) -> Any:
        return tf.cast(tf.size(losses), tf.float32) + 1.0


MUTANTS = (
    CROSS_ENTROPY.replace(factory=_CentresOnTheBatch, name="adds the mean of the batch"),
    HUBER_LOSS.replace(factory=_RaisesSmallWeights, name="raises small weights"),
    HUBER_LOSS.replace(factory=_AnotherDivisor, traits={"normaliser": "weights"}, name="declares another divisor"),
)
TWIN = CROSS_ENTROPY
