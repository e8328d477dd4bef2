"""L305 gradient-informative: a prediction that is sure and wrong gets a gradient that leads out of it."""

from __future__ import annotations

from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness import losses
from assay.conformance.harness.samples import Batch, Domain, is_categorical, perfect, sample_of, wrong
from assay.conformance.lazy import tf
from assay.conformance.model import Level, Mode, NotApplicable, Rule, Target, Violation
from assay.conformance.specimens import CROSS_ENTROPY, PROBABILITY_LOSS, SoundCrossEntropy

RULE = Rule(
    id="L305",
    slug="gradient-informative",
    level=Level.MUST,
    requirement="A prediction that is sure and wrong gets a gradient along which the loss falls towards the right one.",
    checks=(
        "Gives every example logits of +-20 and +-50 for another class, or a probability of exactly 0 for its own, and "
        "multiplies the gradient of each with the way to the perfect prediction. It must be below zero: not zero, not "
        "NaN, "
        "not upwards. Losses that couple examples, and those of numbers, which may be bounded on purpose, are left "
        "alone."
    ),
    why=(
        "`clip_by_value(p, 1e-7, 1)` has a derivative of zero outside. The worst mistakes are the only ones that are "
        "never "
        "corrected: a wrong label, a bad initialisation or a large first step leaves examples behind for good."
    ),
    bad="""
p = tf.clip_by_value(tf.sigmoid(x), 1e-7, 1.0 - 1e-7)  # flat beyond 16
return -tf.math.log(p)
""",
    good="""
return tf.nn.softplus(-x)
""",
    modes=(Mode.EAGER,),
    targets=(Target.CPU, Target.GPU, Target.TPU),
    traits=("mixes_examples", "domain"),
)

SIZES = (20.0, 50.0)


def check(ctx: Context) -> None:
    """Look for wrong predictions that get no help."""
    losses.require_independent_examples(ctx)
    sample = sample_of(ctx)
    batch = sample.grow(4)
    if not is_categorical(batch) or not sample.has_predictions(Domain.LOGITS, Domain.SIMPLEX, Domain.PROBABILITIES):
        raise NotApplicable("The labels are no classes, or the predictions neither logits nor probabilities.")
    loss = losses.summed(ctx)
    for size in SIZES:
        best, worst = perfect(batch, confidence=size), wrong(batch, confidence=size)
        if best is None or worst is None:
            raise NotApplicable(f"Wrong predictions cannot be made for {batch.describe()}.")
        found = losses.gradient(ctx, loss, worst)
        slopes = _slopes(worst, best, found)
        stuck = [row for row, slope in enumerate(slopes) if not slope < 0]
        if stuck:
            logits = sample.has_predictions(Domain.LOGITS)
            what = f"logits of +-{size:g} for another class" if logits else "a probability of 0 for the right class"
            raise Violation(
                f"with {what}, {len(stuck)} of {len(slopes)} examples have a slope of {slopes[stuck[0]]:.3g} towards "
                "the "
                "right one; it should be below zero",
                cause="a probability is clipped before the logarithm, or has become exactly 0 or 1, where it is flat",
                fix="Compute from logits in log space, or give the clip a gradient (add the epsilon instead of "
                "clipping).",
            )


def _slopes(worst: Batch, best: Batch, found: losses.Gradient) -> np.ndarray:
    slopes = np.zeros(worst.size)
    for one, two, gradient in zip(worst.predictions, best.predictions, found.gradients, strict=True):
        if gradient is not None:
            way = np.asarray(two, np.float64) - np.asarray(one, np.float64)
            slopes += np.sum((gradient * way).reshape(worst.size, -1), axis=-1)
    return slopes


class _ClipsTheSoftmax(SoundCrossEntropy):
    def values(self, labels: Any, y_pred: Any) -> Any:
        probabilities = tf.clip_by_value(tf.nn.softmax(y_pred), 1e-7, 1.0)
        return -tf.math.log(tf.gather(probabilities, labels, axis=-1, batch_dims=1))


class _ClipsProbabilities(SoundCrossEntropy):
    def values(self, labels: Any, y_pred: Any) -> Any:
        picked = tf.gather(y_pred, labels, axis=-1, batch_dims=1)
        return -tf.math.log(tf.maximum(picked, 1e-7))


MUTANTS = (
    CROSS_ENTROPY.replace(factory=_ClipsTheSoftmax, name="clips a softmax"),
    PROBABILITY_LOSS.replace(factory=lambda: _ClipsProbabilities(from_logits=False), name="clips probabilities"),
)
TWIN = CROSS_ENTROPY
