"""L213 soft-labels: where labels may be fractional, the loss is continuous in them."""

from __future__ import annotations

from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness import losses
from assay.conformance.harness.samples import Batch, Domain, sample_of
from assay.conformance.lazy import tf
from assay.conformance.model import Level, Mode, NotApplicable, Rule, Target, Violation
from assay.conformance.specimens import SOFT_LABEL_LOSS, SoundBinaryCrossEntropy

RULE = Rule(
    id="L213",
    slug="soft-labels",
    level=Level.MUST,
    requirement="Where the sample has fractional labels, a label that moves a little moves the loss a little.",
    checks=(
        "Sets all labels to 0, 0.5 and 1 (or rows to one-hot, and to a tie of two classes) and to values 0.0002 beside "
        "them, and compares the loss. It applies where the labels of the sample are fractional."
    ),
    why=(
        "Label smoothing, mixup and distillation give 0.95 for 1. A loss that asks `y_true == 1`, rounds, or takes an "
        "argmax treats 0.95 as 0, or throws the smoothing away, and both train."
    ),
    bad="""
weights = tf.where(y_true == 1.0, alpha, 1.0 - alpha)
""",
    good="""
weights = y_true * alpha + (1.0 - y_true) * (1.0 - alpha)
""",
    modes=(Mode.EAGER,),
    targets=(Target.CPU, Target.GPU, Target.TPU),
    traits=("domain",),
)

_STEP = 2e-4


def check(ctx: Context) -> None:
    """Compare labels beside each other."""
    sample = sample_of(ctx)
    if not sample.has_truth(Domain.PROBABILITIES, Domain.SIMPLEX):
        raise NotApplicable("The labels of the sample are not fractional.")
    batch = sample.grow(5)
    loss = losses.component(ctx, losses.NONE if losses.has_reduction(ctx, losses.NONE) else losses.DEFAULT)
    for what, one, two in _neighbours(batch):
        first, second = losses.value(ctx, loss, one), losses.value(ctx, loss, two)
        if not ctx.tolerance("continuous").allows(second, first):
            jump = float(np.nanmax(np.abs(second - first)))
            raise Violation(
                f"labels {what} give losses that differ by {jump:.3g}",
                cause="labels are compared with 1, rounded, cast to integers, or replaced by their argmax",
                fix="Write the formula with the label as a number: `y * positive + (1 - y) * negative`.",
            )


def _neighbours(batch: Batch) -> list[tuple[str, Batch, Batch]]:
    if any(leaf.domain is Domain.SIMPLEX for leaf in batch.layout.truth):
        pairs = [
            ("at a class and just beside it", 1.0, 1.0 - _STEP),
            ("on both sides of a tie", 0.5 + _STEP, 0.5 - _STEP),
        ]
        return [(what, _two_classes(batch, one), _two_classes(batch, two)) for what, one, two in pairs]
    values = [(0.0, _STEP), (0.5 - _STEP, 0.5 + _STEP), (1.0 - _STEP, 1.0)]
    return [(f"of {one:g} and of {two:g}", _filled(batch, one), _filled(batch, two)) for one, two in values]


def _filled(batch: Batch, value: float) -> Batch:
    return batch.with_truth([np.full(array.shape, value) for array in batch.truth])


def _two_classes(batch: Batch, share: float) -> Batch:
    arrays = []
    for array in batch.truth:
        rows = np.zeros(array.shape)
        rows[..., 0], rows[..., -1] = share, 1.0 - share
        arrays.append(rows)
    return batch.with_truth(arrays)


class _AsksForOne(SoundBinaryCrossEntropy):
    def elements(self, y_true: Any, y_pred: Any) -> Any:
        return super().elements(y_true, y_pred) * tf.where(tf.equal(y_true, 1.0), 0.25, 0.75)


class _Rounds(SoundBinaryCrossEntropy):
    def elements(self, y_true: Any, y_pred: Any) -> Any:
        return super().elements(tf.cast(y_true > 0.5, tf.float32), y_pred)


class _CastsToIntegers(SoundBinaryCrossEntropy):
    def elements(self, y_true: Any, y_pred: Any) -> Any:
        return super().elements(tf.cast(tf.cast(y_true, tf.int32), tf.float32), y_pred)


MUTANTS = (
    SOFT_LABEL_LOSS.replace(factory=_AsksForOne, name="asks whether the label is one"),
    SOFT_LABEL_LOSS.replace(factory=_Rounds, name="rounds labels"),
    SOFT_LABEL_LOSS.replace(factory=_CastsToIntegers, name="casts labels to integers"),
)
TWIN = SOFT_LABEL_LOSS
