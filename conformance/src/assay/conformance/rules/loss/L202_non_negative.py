"""L202 non-negative: the value is never below zero where the loss says so."""

from __future__ import annotations

from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness import losses
from assay.conformance.harness.samples import Batch, perfect, sample_of, saturated, wrong
from assay.conformance.lazy import tf
from assay.conformance.model import Level, Mode, NotApplicable, Rule, Violation
from assay.conformance.specimens import CROSS_ENTROPY, HUBER_LOSS, SoundCrossEntropy, SoundHuber

RULE = Rule(
    id="L202",
    slug="non-negative",
    level=Level.MUST,
    requirement="A loss that declares `non_negative` or `zero_at_target` is never below zero.",
    checks=(
        "Computes the loss of grown batches of 1, 3 and 8 examples, of perfect and of wrong predictions, and of "
        "saturated ones, and looks for a value below zero. Without either trait the rule does not apply: a cosine "
        "similarity or a log likelihood of a density may be negative."
    ),
    why=(
        "A negative cross-entropy is a sign of labels outside [0, 1], of a wrong normaliser, or of an approximation "
        "that "
        "does not hold. Early stopping, best checkpoints and log-scale plots then go by a number without meaning."
    ),
    bad="""
def call(self, y_true, y_pred):
    return -tf.math.log(y_pred + 1e-2)  # below zero for y_pred near 1
""",
    good="""
def call(self, y_true, y_pred):
    return -tf.math.log(tf.maximum(y_pred, 1e-7))
""",
    modes=(Mode.EAGER,),
    traits=("non_negative", "zero_at_target"),
    references=("google-deepmind/optax: tests of losses",),
)

SIZES = (8, 3, 1)
_CONFIDENCES = (2.0, 8.0, 50.0)


def check(ctx: Context) -> None:
    """Look for a value below zero."""
    if not (ctx.trait("non_negative") or ctx.trait("zero_at_target")):
        raise NotApplicable("The loss declares neither 'non_negative' nor 'zero_at_target'.")
    sample = sample_of(ctx)
    batches: list[tuple[str, Batch | None]] = [(f"{size} examples", sample.grow(size, seed=size)) for size in SIZES]
    full = sample.grow(SIZES[0])
    for confidence in _CONFIDENCES:
        batches.append((f"perfect predictions of size {confidence:g}", perfect(full, confidence=confidence)))
        batches.append((f"wrong predictions of size {confidence:g}", wrong(full, confidence=confidence)))
        batches.append((f"saturated predictions of size {confidence:g}", saturated(full, confidence)))
    loss = losses.component(ctx, losses.NONE if losses.has_reduction(ctx, losses.NONE) else losses.DEFAULT)
    allowed = ctx.tolerance("loss").absolute
    for what, batch in batches:
        if batch is None:
            continue
        values = losses.value(ctx, loss, batch)
        low = float(np.min(values, initial=0.0))
        if low < -allowed:
            raise Violation(
                f"the loss is {low:.6g} for {what} ({batch.describe()})",
                cause="a term can become negative: a logarithm of a number above 1, a sign, a correction",
                fix="Bound the term from below, or remove the trait if the loss may be negative.",
            )


class _LogAboveOne(SoundCrossEntropy):
    def values(self, labels: Any, y_pred: Any) -> Any:
        return super().values(labels, y_pred) - 0.01


class _ForgetsTheAbsolute(SoundHuber):
    def call(self, y_true: Any, y_pred: Any) -> Any:
        error = y_pred - y_true
        return tf.reduce_mean(tf.where(tf.abs(error) < self.delta, 0.5 * error**2, error - 0.5), axis=-1)


MUTANTS = (
    CROSS_ENTROPY.replace(factory=_LogAboveOne, name="subtracts a constant"),
    HUBER_LOSS.replace(factory=_ForgetsTheAbsolute, name="forgets the absolute value"),
)
TWIN = HUBER_LOSS
