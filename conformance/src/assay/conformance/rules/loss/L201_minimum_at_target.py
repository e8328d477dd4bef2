"""L201 minimum-at-target: a perfect prediction never scores above a worse one."""

from __future__ import annotations

from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness import losses
from assay.conformance.harness.samples import Batch, Domain, perfect, sample_of, wrong
from assay.conformance.lazy import tf
from assay.conformance.model import Level, Mode, NotApplicable, Rule, Violation
from assay.conformance.specimens import CROSS_ENTROPY, HUBER_LOSS, PROBABILITY_LOSS, SoundCrossEntropy, SoundHuber

RULE = Rule(
    id="L201",
    slug="minimum-at-target",
    level=Level.MUST,
    requirement="A perfect prediction never scores above a worse one, and scores zero where that is declared.",
    checks=(
        "Makes the predictions that the labels call for, and others that are as sure of another class, or off by a "
        "half, "
        "one and three times the spread of the targets on both sides. The perfect ones must not score higher. With the "
        "trait `zero_at_target` their loss is zero. Where perfect predictions cannot be told from the labels (bounding "
        "boxes coded as offsets, sequences), the rule does not apply."
    ),
    why=(
        "An optimizer goes where the loss is low. A sign error, swapped arguments or a `1 -` too many trains away from "
        "the labels, and the loss falls as it should."
    ),
    bad="""
def call(self, y_true, y_pred):
    return tf.reduce_sum(y_true * tf.math.log(y_pred), axis=-1)  # the minus is missing
""",
    good="""
def call(self, y_true, y_pred):
    return -tf.reduce_sum(y_true * tf.math.log(y_pred), axis=-1)
""",
    modes=(Mode.EAGER,),
    traits=("zero_at_target", "domain"),
)

_CONFIDENCES = (4.0, 8.0)
_ERRORS = (0.5, 1.0, 3.0)


def check(ctx: Context) -> None:
    """Compare perfect predictions with wrong ones."""
    batch = sample_of(ctx).grow(6)
    if ctx.subject.traits.get("ignore_label") is not None:
        keep = np.flatnonzero(np.all(batch.truth[0].reshape(6, -1) != ctx.subject.traits["ignore_label"], axis=-1))
        batch = batch.take(keep.tolist())
    loss = losses.component(ctx)
    for confidence in _CONFIDENCES:
        best = perfect(batch, confidence=confidence)
        if best is None or not batch.size:
            raise NotApplicable(f"Perfect predictions cannot be told from the labels: {batch.describe()}.")
        least = float(np.sum(losses.value(ctx, loss, best)))
        for what, worse in _worse(batch, best, confidence):
            found = float(np.sum(losses.value(ctx, loss, worse)))
            if least > found and not ctx.tolerance("loss").allows(least, found):
                raise Violation(
                    f"predictions {what} score {found:.6g}, and perfect ones {least:.6g} ({batch.describe()})",
                    cause="the sign is reversed, labels and predictions are swapped, or probabilities are taken for "
                    "logits",
                    fix="Check the formula on one example by hand; the loss must be least where prediction equals "
                    "label.",
                )
    if ctx.trait("zero_at_target") and not sample_of(ctx).has_predictions(Domain.LOGITS):
        _check_zero(ctx, loss, batch)


def _worse(batch: Batch, best: Batch, confidence: float) -> list[tuple[str, Batch]]:
    if all(leaf.domain in (Domain.REAL, Domain.POSITIVE, Domain.BOXES) for leaf in batch.layout.truth):
        found = []
        for error in _ERRORS:
            for sign in (1, -1):
                arrays = []
                for leaf, target in zip(batch.layout.predictions, best.predictions, strict=True):
                    spread = float(np.std(target)) or 1.0
                    moved = np.asarray(target, np.float64) + sign * error * spread
                    if leaf.domain is Domain.POSITIVE:
                        moved = np.asarray(target, np.float64) * (1 + error if sign > 0 else 1 / (1 + error))
                    arrays.append(moved)
                found.append((f"{sign * error:+g} times the spread off", best.with_predictions(arrays)))
        return found
    other = wrong(batch, confidence=confidence)
    return [] if other is None else [("as sure of another class", other)]


def _check_zero(ctx: Context, loss: losses.LossComponent, batch: Batch) -> None:
    best = perfect(batch)
    assert best is not None
    values = losses.value(ctx, loss, best)
    if not ctx.tolerance("loss").allows(values, np.zeros_like(values)):
        raise Violation(
            f"a perfect prediction scores {values.ravel()[:3].tolist()}, and the trait 'zero_at_target' says 0",
            cause="a constant is added, or an epsilon does not cancel",
            fix="Remove the constant, or the trait.",
        )


class _NoMinus(SoundCrossEntropy):
    def values(self, labels: Any, y_pred: Any) -> Any:
        return -super().values(labels, y_pred)


class _LogitsTwice(SoundCrossEntropy):
    """Takes the complement of the probability that the label names."""

    def values(self, labels: Any, y_pred: Any) -> Any:
        picked = tf.gather(y_pred, labels, axis=-1, batch_dims=1)
        return -tf.math.log(1.0 - picked + 1e-6)


class _OffByABias(SoundHuber):
    def call(self, y_true: Any, y_pred: Any) -> Any:
        return super().call(y_true, y_pred + 0.7)


class _NotZero(SoundHuber):
    def call(self, y_true: Any, y_pred: Any) -> Any:
        return super().call(y_true, y_pred) + 1e-3


MUTANTS = (
    CROSS_ENTROPY.replace(factory=_NoMinus, name="the minus is missing"),
    PROBABILITY_LOSS.replace(factory=_LogitsTwice, name="one minus the probability"),
    HUBER_LOSS.replace(factory=_OffByABias, name="least beside the target"),
    HUBER_LOSS.replace(factory=_NotZero, name="declares zero and adds a constant"),
)
TWIN = HUBER_LOSS
