"""L210 all-ignored: when nothing counts, the loss is zero and so are its gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness import losses
from assay.conformance.harness.samples import Batch, sample_of
from assay.conformance.lazy import tf
from assay.conformance.model import Level, Mode, NotApplicable, Rule, Target, Violation
from assay.conformance.specimens import CROSS_ENTROPY, IGNORING_LOSS, SoundCrossEntropy

RULE = Rule(
    id="L210",
    slug="all-ignored",
    level=Level.MUST,
    requirement="A batch in which nothing counts has a loss of zero and gradients of zero.",
    checks=(
        "Gives all examples weight zero and, with the trait `ignore_label`, all elements that label. Each reduced form "
        "of "
        "the loss must be exactly 0, and every gradient 0."
    ),
    why=(
        "A batch of padding, an image without objects, a crop that is all void: the count of what is valid is 0, and "
        "0/0 is "
        "NaN. It takes one such batch in an epoch."
    ),
    bad="""
return tf.reduce_sum(losses * weights) / tf.reduce_sum(weights)  # 0 / 0
""",
    good="""
return tf.math.divide_no_nan(tf.reduce_sum(losses * weights), tf.reduce_sum(weights))
""",
    modes=(Mode.EAGER,),
    targets=(Target.CPU, Target.GPU, Target.TPU),
    traits=("ignore_label", "mixes_examples"),
    references=("keras-team/keras#21908", "keras-team/keras#3270", "keras-team/keras#7917"),
)

ROWS = 3


def check(ctx: Context) -> None:
    """Look at batches in which nothing counts."""
    batch = sample_of(ctx).grow(ROWS)
    label = ctx.trait("ignore_label")
    looked = False
    if label is not None:
        ignored = batch.with_truth([np.full_like(array, label) for array in batch.truth])
        looked = _look(ctx, ignored, None, f"all labels {label}")
    if losses.component(ctx).takes_weights and not ctx.trait("mixes_examples"):
        looked = _look(ctx, batch, losses.row_weights(ctx, batch, [0.0] * ROWS), "all weights 0") or looked
    if not looked:
        raise NotApplicable("The loss takes no weights of examples and declares no 'ignore_label'.")


def _look(ctx: Context, batch: Batch, weights: Any, what: str) -> bool:
    looked = False
    for reduction in (losses.DEFAULT, losses.SUM, losses.MEAN):
        if not losses.has_reduction(ctx, reduction):
            continue
        found = losses.gradient(ctx, losses.component(ctx, reduction), batch, weights)
        if found.value.ndim:
            continue
        looked = True
        bad = [g for g in found.gradients if g is not None and not np.all(g == 0)]
        if float(found.value) != 0.0 or bad:
            seen = f"the loss is {float(found.value):.6g}" if float(found.value) != 0.0 else "the loss is 0"
            worst = f", and gradients are {np.ravel(bad[0])[:3].tolist()}" if bad else ""
            raise Violation(
                f"with {what} and reduction {reduction}, {seen}{worst}",
                cause="the sum is divided by a count of zero, or a term is left that nothing masks",
                fix="Divide with `tf.math.divide_no_nan`, and mask every term.",
            )
    return looked


class _DividesByTheWeights(SoundCrossEntropy):
    def reduce(self, losses: Any, weights: Any) -> Any:
        if weights is None or self.reduction != "sum_over_batch_size":
            return super().reduce(losses, weights)
        return tf.reduce_sum(losses) / tf.reduce_sum(weights)


class _MeanOfTheValid(SoundCrossEntropy):
    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        total = (
            type(self)
            .__mro__[1]
            .from_config({**self.get_config(), "reduction": "sum"})(  # type: ignore[attr-defined]
                y_true, y_pred, sample_weight
            )
        )
        return total / tf.reduce_sum(tf.cast(self.valid(tf.convert_to_tensor(y_true)), tf.float32))


MUTANTS = (
    CROSS_ENTROPY.replace(factory=_DividesByTheWeights, name="divides by the sum of weights"),
    IGNORING_LOSS.replace(factory=lambda: _MeanOfTheValid(ignore_label=255), name="divides by the number of valid"),
)
TWIN = IGNORING_LOSS
